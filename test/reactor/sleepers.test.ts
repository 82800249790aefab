/** Who is taken for blocked: a worker whose thread sleeps at two ticks, and which has made no progress between them. Scenario 65. */
import { beforeEach, describe, expect, test } from 'vitest';
import { isAsleep, isThreadAsleep, Sleepers } from '../../src/reactor/sleepers.ts';
import { Counter, WorkerWord } from '../../src/slots/layout.ts';
import { attachMemory } from '../../src/slots/memory.ts';
import { type FakePool, makeFakePool } from '../fake-pool.ts';

describe('a thread', () => {
  test.each([
    ['21988 (node) S 21985 21985', true],
    ['21988 (node) D 1 1', true],
    ['21988 (node) R 1 1', false],
    ['21988 (a) R (b) S 1', true],
    ['21988 (a) S (b) R 1', false],
    ['', false],
  ])('of which the kernel says "%s" sleeps: %s', (line, asleep) => {
    expect(isAsleep(line)).toBe(asleep);
  });

  test('that asks about itself runs, and one that there is not does not sleep', () => {
    expect(isThreadAsleep(process.pid)).toBe(false);
    expect(isThreadAsleep(0)).toBe(false);
  });
});

describe('workers', () => {
  let pool: FakePool;
  let asleep: Set<number>;
  let asked: number[];
  let sleepers: Sleepers;

  beforeEach(() => {
    pool = makeFakePool({ threads: 4 });
    for (let worker = 0; worker < 4; worker++)
      pool.memory.words[pool.memory.layout.worker(worker) + WorkerWord.TID] = 100 + worker;
    asleep = new Set();
    asked = [];
    sleepers = new Sleepers(pool.memory, (tid) => {
      asked.push(tid);
      return asleep.has(tid);
    });
  });

  const at = (runnable: number, still = false): number => {
    sleepers.tick(runnable, still);
    return sleepers.sleepers(runnable);
  };
  const moves = (worker: number, counter: Counter): void =>
    attachMemory(pool.memory.buffers, 1 + worker, worker).count(counter);

  test('are found when they sleep at two ticks', () => {
    asleep.add(101);
    expect(at(0b11)).toBe(0);
    expect(at(0b11)).toBe(0);
    expect(at(0b11)).toBe(0b10);
    expect(asked).toEqual([100, 101, 100, 101]);
  });

  test.each([Counter.TAKEN, Counter.POLLS, Counter.PARKS])(
    'that make progress (counter %i) are not even asked for',
    (counter) => {
      asleep.add(100);
      for (let tick = 0; tick < 5; tick++) {
        expect(at(0b1)).toBe(0);
        moves(0, counter);
      }
      expect(asked).toEqual([]);
    },
  );

  test('that are known to have made no progress are found one tick sooner', () => {
    asleep.add(100);
    expect(at(0b1, true)).toBe(0);
    expect(at(0b1)).toBe(0b1);
  });

  test('are the same however often they are asked for in a tick', () => {
    asleep.add(100);
    at(0b1);
    expect([at(0b1), sleepers.sleepers(0b1), sleepers.sleepers(0b1)]).toEqual([0, 0, 0]);
    expect([at(0b1), sleepers.sleepers(0b1)]).toEqual([0b1, 0b1]);
    expect(asked).toEqual([100, 100]);
  });

  test('that ran at one of the ticks are not found', () => {
    at(0b1);
    for (let tick = 0; tick < 6; tick++) {
      if (tick % 2 === 0) asleep.add(100);
      else asleep.delete(100);
      expect(at(0b1)).toBe(0);
    }
  });

  test('that sleep in one turn and then in another are not found', () => {
    asleep.add(100);
    at(0b1);
    at(0b1);
    moves(0, Counter.TAKEN);
    expect(at(0b1)).toBe(0);
    expect(at(0b1)).toBe(0);
    expect(at(0b1)).toBe(0b1);
  });

  test('are looked at only while work waits', () => {
    asleep.add(100);
    for (let tick = 0; tick < 3; tick++) sleepers.tick(0b1, false);
    expect(asked).toEqual([]);
    expect(at(0b1)).toBe(0);
    expect(at(0b1)).toBe(0b1);
  });
});
