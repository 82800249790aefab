/**
 * Retirement that races with wake-ups: under all schedules a worker leaves only when nobody counts on it, and what it was woken
 * for is passed on. Scenario 108.
 */
import { describe, expect, test } from 'vitest';
import type { Dispatcher } from '../../src/reactor/dispatcher.ts';
import { Presence } from '../../src/reactor/presence.ts';
import { askToRetire } from '../../src/reactor/retire.ts';
import { RetireState, WorkerWord } from '../../src/slots/layout.ts';
import { ParkState } from '../../src/sync/parking.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { type FakePool, makeFakePool } from '../fake-pool.ts';
import { type PoolCase, poolProgram } from './presence-world.ts';

const holds = (pool: PoolCase): void => void expectHolds(poolProgram(pool));

describe('a worker that is asked to retire', () => {
  test('loses no hint that is pushed at the same time', () => {
    holds({ workers: 2, pushes: 1, retires: [1], preemptions: 2 });
    holds({ workers: 2, pushes: 2, retires: [1], preemptions: 1 });
    holds({ workers: 3, pushes: 1, retires: [1, 2], preemptions: 1 });
  });

  test('loses no event of the kernel', () => {
    holds({ workers: 2, pushes: 1, events: 1, retires: [1], preemptions: 1 });
    holds({ workers: 2, events: 2, retires: [0], preemptions: 1 });
  });

  test('while another one vanishes', () => {
    holds({ workers: 3, pushes: 1, retires: [1], mortal: true, preemptions: 0 });
  });
});

describe('asking', () => {
  const stateOf = ({ memory }: FakePool, worker: number): number =>
    memory.port.load(memory.layout.worker(worker) + WorkerWord.RETIRE);

  test('a worker that is parked wakes it with the question', () => {
    const pool = makeFakePool({ threads: 2 });
    pool.dispatcher.lot.announce(1, ParkState.SLEEPS_FUTEX);
    askToRetire(pool.dispatcher, 1);
    expect(stateOf(pool, 1)).toBe(RetireState.ASKED);
    expect(pool.dispatcher.lot.stateOf(1)).toBe(ParkState.NOTIFIED);
    const presence = new Presence(pool.dispatcher, 1);
    presence.endPark();
    expect(presence.retires()).toBe(true);
    expect(stateOf(pool, 1)).toBe(RetireState.AGREED);
  });

  test('a worker that is not parked asks nothing', () => {
    const pool = makeFakePool({ threads: 2 });
    askToRetire(pool.dispatcher, 1);
    expect(stateOf(pool, 1)).toBe(RetireState.NONE);
  });

  test('a worker for which work waits keeps it', () => {
    const pool = makeFakePool({ threads: 2 });
    pool.dispatcher.lot.announce(1, ParkState.SLEEPS_FUTEX);
    askToRetire(pool.dispatcher, 1);
    pool.dispatcher.push(5);
    const presence = new Presence(pool.dispatcher, 1);
    presence.endPark();
    expect(presence.retires()).toBe(false);
    expect(stateOf(pool, 1)).toBe(RetireState.NONE);
  });
});

describe('the exploration finds', () => {
  const fails = (pool: PoolCase, message: RegExp): void => void expectFails(poolProgram(pool), message);
  const race: PoolCase = { workers: 2, pushes: 1, retires: [1], preemptions: 2 };

  /** A worker with one mistake in its answer. */
  abstract class Leaver extends Presence {
    protected readonly dispatcher: Dispatcher;
    protected readonly retireAt: number;

    constructor(...[dispatcher, worker, standing]: ConstructorParameters<typeof Presence>) {
      super(dispatcher, worker, standing);
      this.dispatcher = dispatcher;
      this.retireAt = dispatcher.memory.layout.worker(worker) + WorkerWord.RETIRE;
    }

    protected agree(): boolean {
      const { port } = this.dispatcher.memory;
      return port.compareExchange(this.retireAt, RetireState.ASKED, RetireState.AGREED) === RetireState.ASKED;
    }
  }

  test('one that leaves with the wake-up of another', () => {
    class Thief extends Leaver {
      override retires(): boolean {
        return this.agree();
      }
    }
    fails({ ...race, presence: (...given) => new Thief(...given) }, /hints wait|searches/);
  });

  test('one that does not look for work after it has stopped searching', () => {
    class Blind extends Leaver {
      override retires(): boolean {
        this.stopSearching();
        return this.agree();
      }
    }
    fails({ ...race, presence: (...given) => new Blind(...given) }, /hints wait/);
  });

  test('one that looks before it has stopped searching', () => {
    class Early extends Leaver {
      override retires(): boolean {
        if (this.hasReason()) return false;
        this.stopSearching();
        return this.agree();
      }
    }
    fails({ ...race, pushes: 2, preemptions: 3, presence: (...given) => new Early(...given) }, /hints wait/);
  });
});
