/**
 * The monitor's decisions: whether a hint waits too long, and whether nobody looks any more; and its loop over the fake
 * kernel, whose time passes only while it waits. Scenario 62 for the positions.
 */
import { describe, expect, test } from 'vitest';
import { MonitorState } from '../../src/reactor/dispatcher.ts';
import { microseconds, PUT_OFF_MS } from '../../src/reactor/lookout.ts';
import { isForsaken, Monitor, type MonitorTime, type Sight, stillWaits } from '../../src/reactor/monitor.ts';
import { blindWatch } from '../../src/reactor/sleepers.ts';
import { Config, Word } from '../../src/slots/layout.ts';
import { PoolPhase } from '../../src/slots/memory.ts';
import { type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

const sight = (head: number, tail: number, overflowed = false): Sight => ({ head, tail, overflowed });

const LAST = 0x7fffffff;
const FIRST = -0x80000000;

describe('a hint has waited since the ring ended at a position', () => {
  test.each([
    ['none was taken', 5, false, sight(3, 5)],
    ['some were taken, but not all that were there', 7, false, sight(6, 9)],
    ['the last that was there is left', 7, false, sight(6, 6)],
    ['positions wrapped', FIRST + 2, false, sight(FIRST + 1, FIRST + 5)],
    ['it waits outside of the ring', 3, true, sight(3, 3, true)],
  ])('%s', (_, tail, overflowed, now) => {
    expect(stillWaits(tail, overflowed, now)).toBe(true);
  });
});

describe('nobody needs to be woken', () => {
  test.each([
    ['there was none', 5, false, sight(5, 5)],
    ['all that were there are taken, and later ones wait', 5, false, sight(5, 90)],
    ['it has only just come', 5, false, sight(5, 6)],
    ['the queue is long but moves', 100, false, sight(100, 300)],
    ['positions wrapped', FIRST + 3, false, sight(FIRST + 3, FIRST + 9)],
    ['positions wrap now', LAST, false, sight(LAST, FIRST)],
    ['what waited outside has found room', 3, true, sight(5, 5)],
    ['it waits outside only now', 3, false, sight(3, 3, true)],
  ])('%s', (_, tail, overflowed, now) => {
    expect(stillWaits(tail, overflowed, now)).toBe(false);
  });
});

test('nobody looks any more if somebody runs, and the last look was some time ago', () => {
  const cases: [number, number, boolean][] = [
    [PUT_OFF_MS, 1, true],
    [PUT_OFF_MS, 0x80000000 | 0, true],
    // Nobody runs.
    [PUT_OFF_MS, 0, false],
    [PUT_OFF_MS / 2, 1, false],
    // Nobody was there to look.
    [100, 1, false],
    // The clock has gone round.
    [-5, 1, false],
  ];
  for (const [sinceMs, runnable, forsaken] of cases) expect(isForsaken(sinceMs, runnable)).toBe(forsaken);
});

describe('the loop', () => {
  /** Runs a monitor of which each wait is the next of these; at their end the pool stops. Returns the alarms that it set. */
  function loop(
    pool: FakePool,
    waits: readonly ((ms: number) => void)[],
    time?: MonitorTime,
  ): { alarms: number[]; waited: number[] } {
    const alarms: number[] = [];
    const waited: number[] = [];
    pool.native.onCall = (call, ...values) => {
      if (call === 'setTimer') alarms.push(Number(values[1]));
    };
    const wait = (ms: number): void => {
      const next = waits[waited.length];
      waited.push(ms);
      if (next === undefined) pool.memory.port.store(Word.PHASE, PoolPhase.CLOSED);
      else next(ms);
    };
    new Monitor(pool.dispatcher, wait, () => {}, blindWatch, time).run();
    return { alarms, waited };
  }

  /** As if the last look had been so long ago. */
  const age = (pool: FakePool, ms: number): void =>
    pool.memory.port.store(Word.SEEN_AT, microseconds() - ms * 1000);

  const park = (pool: FakePool): void => {
    pool.dispatcher.lot.announce(1, 1);
  };

  test('ticks each millisecond while somebody runs, and wakes another for what waited through a tick', () => {
    const pool = makeFakePool();
    takeAll(pool);
    pool.dispatcher.runnable.enter(0, 2);
    park(pool);
    pool.dispatcher.push(7);
    const { alarms, waited } = loop(pool, [
      () => {
        expect(pool.dispatcher.lot.anyParked).toBe(true);
        age(pool, 1.1);
      },
    ]);
    expect(alarms.slice(0, 2)).toEqual([1, 1]);
    expect(waited[0]).toBe(Number.POSITIVE_INFINITY);
    expect(pool.dispatcher.lot.anyParked).toBe(false);
  });

  test('wakes at once if the alarm goes off because nobody looks', () => {
    const pool = makeFakePool();
    takeAll(pool);
    pool.dispatcher.runnable.enter(0, 2);
    park(pool);
    pool.dispatcher.noteSight(0);
    age(pool, PUT_OFF_MS);
    // After the last look.
    pool.dispatcher.push(7);
    loop(pool, []);
    expect(pool.dispatcher.lot.anyParked).toBe(false);
  });

  test('has the place of one that runs handed over at once if nobody looks while mail waits for it', () => {
    const pool = makeFakePool({ config: { [Config.CONCURRENCY]: 1 } });
    takeAll(pool);
    pool.dispatcher.runnable.enter(0, 1);
    park(pool);
    const { boxes } = pool.dispatcher.mail;
    boxes.open(1);
    pool.dispatcher.noteSight(0);
    age(pool, PUT_OFF_MS);
    boxes.put(1, 8);
    const reviews = pool.dispatcher.limit.reviews;
    loop(pool, []);
    expect(pool.dispatcher.limit.reviews).toBeGreaterThan(reviews + 1);
    expect(pool.memory.port.load(Word.WAITERS)).toBe(0b10);
  });

  test('leaves it to a worker that has just looked, and keeps the alarm set', () => {
    const pool = makeFakePool();
    pool.dispatcher.runnable.enter(0, 2);
    park(pool);
    pool.dispatcher.push(7);
    pool.dispatcher.noteSight(0);
    age(pool, 0.2);
    const { alarms } = loop(pool, []);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toBeGreaterThan(0.5);
    expect(alarms[0]).toBeLessThan(PUT_OFF_MS);
    expect(pool.dispatcher.lot.anyParked).toBe(true);
  });

  test('sleeps at once when all is quiet, and an alarm of before does not wake it', () => {
    const pool = makeFakePool();
    takeAll(pool);
    const { port } = pool.memory;
    const { waited } = loop(pool, [
      () => expect(port.load(Word.MONITOR)).toBe(MonitorState.ASLEEP),
      () => expect(port.load(Word.MONITOR)).toBe(MonitorState.ASLEEP),
      () => {
        pool.dispatcher.runnable.enter(0, 2);
        pool.dispatcher.startMonitor();
      },
      () => {
        expect(port.load(Word.MONITOR)).toBe(MonitorState.AWAKE);
        pool.dispatcher.runnable.leave(0);
      },
    ]);
    expect(waited).toHaveLength(5);
  });

  test('keeps the time while ticks are put off', () => {
    const pool = makeFakePool();
    pool.dispatcher.runnable.enter(0, 2);
    const runs: number[] = [];
    const time: MonitorTime = { patienceMs: 5, run: () => runs.push(1) < 0, rest: () => 0 };
    const look = (): void => age(pool, 0);
    const { waited } = loop(pool, [look, look, look], time);
    expect(waited).toEqual([5, 5, 5, 5]);
    expect(runs).toHaveLength(4);
  });
});
