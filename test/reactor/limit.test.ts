/**
 * The limit on runnable workers while it is set anew, and while workers leave in the middle of a handler and come back: under
 * all schedules nobody runs who may not for longer than a hint, and nobody waits for a place that is free. Scenarios 65, 108.
 */
import { describe, test } from 'vitest';
import { Dispatcher } from '../../src/reactor/dispatcher.ts';
import { Limit } from '../../src/reactor/limit.ts';
import { Config } from '../../src/slots/layout.ts';
import type { Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { making, type PoolCase, poolProgram } from './presence-world.ts';

const holds = (pool: PoolCase): void => void expectHolds(poolProgram(pool));

const fails = (pool: PoolCase, limit: new (port: Port) => Limit, message: RegExp): void => {
  class Mutant extends Dispatcher {
    override readonly limit = new limit(this.memory.port);
  }
  const make = making(Mutant);
  expectFails(poolProgram({ ...pool, make }), message);
};

const lowered: PoolCase = { workers: 2, limits: [1], filled: 2, preemptions: 2 };
const raised: PoolCase = {
  workers: 2,
  concurrency: 1,
  limits: [2],
  pushes: 2,
  dependent: true,
  // What the one wake-up of two pushes did not reach is the monitor's to see to (D3).
  monitored: true,
  ticks: 2,
  preemptions: 0,
};
const blocking: PoolCase = { workers: 2, concurrency: 1, blocks: true, pushes: 2, preemptions: 2 };

describe('a limit that is set while hints come', () => {
  test('lowered, it holds for every hint that is taken after it', () => {
    holds(lowered);
    holds({ ...lowered, pushes: 1, filled: 1, preemptions: 1 });
    holds({ ...lowered, workers: 3, preemptions: 1 });
  });

  test('raised, it lets in who waits for a place', () => holds(raised));

  test('lowered and raised again, it loses no hint', () => holds({ ...lowered, limits: [1, 2] }));
});

describe('a handler that says that it blocks', () => {
  test('lets another worker in, which ends its waiting', () => {
    holds({ ...blocking, dependent: true });
    holds({ ...blocking, dependent: true, pushes: 1, events: 1 });
  });

  test('is over the limit for no longer than a hint when it comes back', () => {
    holds(blocking);
    holds({ ...blocking, workers: 3, preemptions: 1 });
  });

  test('may vanish in it', () => holds({ ...blocking, mortal: true, preemptions: 1 }));
});

describe('a worker that sleeps in a handler and does not say so', () => {
  const accused: PoolCase = { workers: 2, concurrency: 1, filled: 2, monitored: true, preemptions: 1 };

  test('is replaced by the monitor', () => {
    holds({ ...accused, accuses: 'always', dependent: true });
    holds({ ...accused, accuses: 'always', dependent: true, filled: 1, events: 1 });
  });

  test('and one that does not sleep loses nothing by being taken for it', () => {
    holds({ ...accused, accuses: 'once', ticks: 1, preemptions: 2 });
    holds({ ...accused, workers: 3, accuses: 'once', ticks: 1 });
  });

  test('needs to be told that its bit is gone', () => {
    class Silent extends Limit {
      override revoke(worker: number): void {
        this.runnable.leave(worker);
      }
    }
    fails({ ...accused, accuses: 'once', ticks: 1 }, Silent, /without a bit/);
  });
});

describe('the exploration finds', () => {
  test('a place that is free and that nobody is woken for', () => {
    class Silent extends Dispatcher {
      override wakeIfWork(): void {}
    }
    const make = making(Silent);
    expectFails(poolProgram({ ...blocking, dependent: true, make }), /deadlock|hints wait/i);
  });

  test('a worker that goes in by a limit of before and does not look again', () => {
    class Hasty extends Limit {
      #seen = 0;
      #entered = false;
      override beginReview(): number {
        if (!this.#entered) this.#seen = super.beginReview();
        this.#entered = false;
        return this.#seen;
      }
      override enter(worker: number): boolean {
        this.#entered = super.enter(worker);
        return this.#entered;
      }
    }
    fails({ ...lowered, preemptions: 3 }, Hasty, /more run than may/);
  });

  test('a limit that is lowered and that nobody looks at', () => {
    class Quiet extends Limit {
      override set(concurrency: number): void {
        this.port.store(Config.CONCURRENCY, concurrency);
      }
    }
    fails(lowered, Quiet, /more run than may/);
  });

  test('a look that is asked for before there is anything to see', () => {
    class Early extends Limit {
      override set(concurrency: number): void {
        this.askForReview();
        this.port.store(Config.CONCURRENCY, concurrency);
      }
    }
    fails({ ...lowered, preemptions: 3 }, Early, /more run than may/);
  });

  test('a worker that comes back and tells nobody', () => {
    class Secret extends Limit {
      override comeBack(worker: number): void {
        this.runnable.enterAnyway(worker);
      }
    }
    fails(blocking, Secret, /more run than may/);
  });
});
