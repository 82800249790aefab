/** When the monitor takes it that nobody looks any more; and its loop over the fake kernel, whose time passes only while it waits. */
import { describe, expect, test } from 'vitest';
import { MonitorState } from '../../src/reactor/dispatcher.ts';
import { PUT_OFF_MS } from '../../src/reactor/lookout.ts';
import { isForsaken, Monitor, type MonitorTime } from '../../src/reactor/monitor.ts';
import { blindWatch } from '../../src/reactor/sleepers.ts';
import { Config, Word } from '../../src/slots/layout.ts';
import { PoolPhase } from '../../src/slots/memory.ts';
import { ParkState } from '../../src/sync/parking.ts';
import { ageSight, alarmsOf, type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

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
    const alarms = alarmsOf(pool);
    const waited: number[] = [];
    const wait = (ms: number): void => {
      const next = waits[waited.length];
      waited.push(ms);
      if (next === undefined) pool.memory.port.store(Word.PHASE, PoolPhase.CLOSED);
      else next(ms);
    };
    new Monitor(pool.dispatcher, wait, () => {}, blindWatch, time).run();
    return { alarms, waited };
  }

  /** A pool with an empty queue, of whose two workers one runs and the other one is parked. */
  function busyPool(concurrency = 2): FakePool {
    const pool = makeFakePool({ config: { [Config.CONCURRENCY]: concurrency } });
    takeAll(pool);
    pool.dispatcher.runnable.enter(0, concurrency);
    pool.dispatcher.lot.announce(1, ParkState.SLEEPS_FUTEX);
    return pool;
  }

  test('ticks each millisecond while somebody runs, and wakes another for what waited through a tick', () => {
    const pool = busyPool();
    pool.dispatcher.push(7);
    const { alarms, waited } = loop(pool, [
      () => {
        expect(pool.dispatcher.lot.anyParked).toBe(true);
        ageSight(pool, 1.1);
      },
    ]);
    expect(alarms.slice(0, 2)).toEqual([1, 1]);
    expect(waited[0]).toBe(Number.POSITIVE_INFINITY);
    expect(pool.dispatcher.lot.anyParked).toBe(false);
  });

  test('wakes another for what has waited outside of the ring through a tick', () => {
    const pool = busyPool();
    const { lot, overflow } = pool.dispatcher;
    overflow.add(7);
    loop(pool, [
      () => {
        // It may have come just now.
        expect(lot.anyParked).toBe(true);
        ageSight(pool, 1.1);
      },
    ]);
    expect(lot.anyParked).toBe(false);
  });

  test('does not for what waits outside of the ring only now', () => {
    const pool = busyPool();
    const { lot, overflow } = pool.dispatcher;
    loop(pool, [
      () => {
        overflow.add(7);
        ageSight(pool, 1.1);
      },
    ]);
    expect(lot.anyParked).toBe(true);
  });

  test('wakes at once if the alarm goes off because nobody looks', () => {
    const pool = busyPool();
    pool.dispatcher.sight.take();
    ageSight(pool, PUT_OFF_MS);
    // After the last look.
    pool.dispatcher.push(7);
    loop(pool, []);
    expect(pool.dispatcher.lot.anyParked).toBe(false);
  });

  test('has the place of one that runs handed over at once if nobody looks while mail waits for it', () => {
    const pool = busyPool(1);
    const { boxes } = pool.dispatcher.mail;
    boxes.open(1);
    pool.dispatcher.sight.take();
    ageSight(pool, PUT_OFF_MS);
    boxes.put(1, 8);
    const reviews = pool.dispatcher.limit.reviews;
    loop(pool, []);
    expect(pool.dispatcher.limit.reviews).toBeGreaterThan(reviews + 1);
    expect(pool.memory.port.load(Word.WAITERS)).toBe(0b10);
  });

  test('leaves it to a worker that has just looked, and keeps the alarm set', () => {
    const pool = busyPool();
    pool.dispatcher.push(7);
    pool.dispatcher.sight.take();
    ageSight(pool, 0.2);
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
    const look = (): void => ageSight(pool, 0);
    const { waited } = loop(pool, [look, look, look], time);
    expect(waited).toEqual([5, 5, 5, 5]);
    expect(runs).toHaveLength(4);
  });
});
