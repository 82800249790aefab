/**
 * The ring: it answers as a plain bounded queue would under all schedules of two and three threads, wherever its
 * counters stand, and a thread that vanishes leaves nothing to repair. Scenarios 61, 62, 109; 71 for the ring.
 */
import { describe, expect, test } from 'vitest';
import { MAX_HINT, Ring } from '../../src/sync/ring.ts';
import { AtomicsPort } from '../../src/sync/port.ts';
import { expectHolds } from '../explorer/explore.ts';
import { ringProgram } from './ring-world.ts';

const CAPACITIES = [1, 2, 4] as const;
const LAPS = 2 ** 11;

/** Just before the sign of the position changes, the position wraps, the lap wraps. */
const WRAPS = [
  ['2^31', () => 2 ** 31 - 1],
  ['2^32', () => 2 ** 32 - 1],
  ['the last lap', (capacity: number) => LAPS * capacity - 1],
] as const;

function makeRing(capacity: number, start = 0): Ring {
  const port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(4 * (capacity + 2))));
  const ring = new Ring(port, { head: 0, tail: 1, cells: 2, capacity });
  ring.initialize(start);
  return ring;
}

describe.each(CAPACITIES)('a ring of %i, used by one thread', (capacity) => {
  test.each(WRAPS)('gives back what it was given, in order, across %s', (_name, startOf) => {
    const ring = makeRing(capacity, startOf(capacity) - capacity * 2);
    for (let hint = 1; hint <= capacity * 6; hint++) {
      expect(ring.isEmpty()).toBe(true);
      expect(ring.push(hint)).toBe(true);
      expect(ring.isEmpty()).toBe(false);
      expect(ring.take()).toBe(hint);
    }
    expect(ring.take()).toBe(0);
  });

  test('takes as many hints as its capacity, and no more', () => {
    const ring = makeRing(capacity);
    for (let round = 0; round < LAPS * 2 + 3; round++) {
      for (let i = 1; i <= capacity; i++) expect(ring.push(i)).toBe(true);
      expect(ring.push(MAX_HINT)).toBe(false);
      expect(ring.length).toBe(capacity);
      for (let i = 1; i <= capacity; i++) expect(ring.take()).toBe(i);
      expect(ring.length).toBe(0);
    }
  });

  test('carries the largest hint, and moves its head position by one for each hint', () => {
    const ring = makeRing(capacity, 2 ** 31 - 1);
    expect(ring.headPosition).toBe(2 ** 31 - 1);
    expect(ring.push(MAX_HINT)).toBe(true);
    expect(ring.take()).toBe(MAX_HINT);
    expect(ring.headPosition).toBe(-(2 ** 31));
  });
});

describe.each(CAPACITIES)('under all schedules a ring of %i', (capacity) => {
  test('is one queue for two pushers and a taker', () => {
    expectHolds(ringProgram({ capacity, start: 0, threads: [[1, 2], [3], ['take', 'take']] }));
  });

  test('is one queue for a pusher and two takers', () => {
    expectHolds(ringProgram({ capacity, start: 0, threads: [[1, 2], ['take', 'take'], ['take']] }));
  });

  test('is one queue for two that push and take', () => {
    expectHolds(
      ringProgram({
        capacity,
        start: 0,
        threads: [
          [1, 'take', 2],
          [3, 'take', 'take'],
        ],
      }),
    );
  });

  test('tells a third thread truly whether it is empty', () => {
    expectHolds(
      ringProgram({
        capacity,
        start: 0,
        threads: [
          [1, 2],
          ['take', 'take'],
          ['look', 'look'],
        ],
      }),
    );
  });

  test.each(WRAPS)('stays one queue across %s', (_name, startOf) => {
    const start = startOf(capacity);
    expectHolds(ringProgram({ capacity, start, threads: [[1, 2], [3], ['take']] }));
    expectHolds(ringProgram({ capacity, start, threads: [[1], ['take', 'take'], ['take']], filled: [9] }));
  });

  test('keeps or never has the hint of a pusher that vanishes, and goes on', () => {
    expectHolds(ringProgram({ capacity, start: 0, threads: [[1, 2], [3], ['take']], mortal: true }));
  });

  test('loses at most the hint that a taker held when it vanished, and goes on', () => {
    expectHolds(
      ringProgram({
        capacity,
        start: 0,
        threads: [[1], ['take', 'take'], ['take']],
        filled: [9],
        mortal: true,
      }),
    );
  });

  test('stays one queue when its plain reads see old values', () => {
    const weak = true;
    expectHolds(ringProgram({ capacity, start: 0, threads: [[1], [2], ['take']], weak }));
    expectHolds(
      ringProgram({ capacity, start: 0, threads: [[1, 2], [3], ['take', 'take']], preemptions: 3, weak }),
    );
    expectHolds(
      ringProgram({
        capacity,
        start: 0,
        threads: [[1, 2], ['take', 'look'], ['take']],
        preemptions: 3,
        weak,
      }),
    );
  });
});
