/** Which threads are asked to retire, and when: by a clock of the test, over a pool without threads. */
import { beforeEach, describe, expect, test } from 'vitest';
import { RetireState, WorkerPhase, WorkerWord } from '../../src/slots/layout.ts';
import { Retirement } from '../../src/supervision/retirement.ts';
import { ParkState } from '../../src/sync/parking.ts';
import { type FakePool, makeFakePool } from '../fake-pool.ts';

const IDLE_MS = 100;

describe('of five threads, two of which must be there', () => {
  let pool: FakePool;
  let alive: Set<number>;
  let retirement: Retirement;

  const wordOf = (worker: number, word: number): number => pool.memory.layout.worker(worker) + word;
  const park = (
    worker: number,
    how: typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL = ParkState.SLEEPS_FUTEX,
  ): void => pool.dispatcher.lot.announce(worker, how);
  const asked = (): number[] =>
    [...alive].filter(
      (worker) => pool.memory.port.load(wordOf(worker, WorkerWord.RETIRE)) !== RetireState.NONE,
    );
  const answer = (worker: number, state: RetireState): void =>
    pool.memory.port.store(wordOf(worker, WorkerWord.RETIRE), state);

  beforeEach(() => {
    pool = makeFakePool({ threads: 5 });
    alive = new Set([0, 1, 2, 3, 4]);
    for (const worker of alive) pool.memory.words[wordOf(worker, WorkerWord.PHASE)] = WorkerPhase.RUNNING;
    retirement = new Retirement(pool.dispatcher, { minThreads: 2, idleTimeoutMs: IDLE_MS }, alive);
  });

  test('those that have slept for the whole time are asked, the first to sleep first, down to two', () => {
    for (const worker of [3, 1, 4, 0]) {
      park(worker);
      retirement.look(worker === 3 ? 0 : 10);
    }
    retirement.look(99);
    expect(asked()).toEqual([]);
    retirement.look(100);
    expect(asked()).toEqual([3]);
    answer(3, RetireState.AGREED);
    retirement.look(110);
    expect(asked().length).toBe(3);
    for (const worker of asked()) answer(worker, RetireState.AGREED);
    retirement.look(10_000);
    retirement.look(20_000);
    expect(asked().length).toBe(3);
  });

  test('one that was woken in between is not', () => {
    park(1);
    retirement.look(0);
    pool.dispatcher.lot.wake(1);
    pool.dispatcher.lot.settle(1);
    park(1);
    retirement.look(100);
    expect(asked()).toEqual([]);
    retirement.look(200);
    expect(asked()).toEqual([1]);
  });

  test('one that waits for its event loop is not', () => {
    park(1, ParkState.SLEEPS_KERNEL);
    retirement.look(0);
    retirement.look(1000);
    expect(asked()).toEqual([]);
  });

  test('one that does not answer is counted on again', () => {
    park(1);
    retirement.look(0);
    retirement.look(100);
    expect(asked()).toEqual([1]);
    retirement.look(125);
    expect(asked()).toEqual([]);
  });

  test('none is asked while others have not come up yet', () => {
    for (const worker of [2, 3, 4])
      pool.memory.words[wordOf(worker, WorkerWord.PHASE)] = WorkerPhase.STARTING;
    park(0);
    park(1);
    retirement.look(0);
    retirement.look(1000);
    expect(asked()).toEqual([]);
  });

  test('none is asked when no more are left than must be', () => {
    for (const worker of [2, 3, 4]) alive.delete(worker);
    park(0);
    park(1);
    retirement.look(0);
    retirement.look(1000);
    expect(asked()).toEqual([]);
  });
});
