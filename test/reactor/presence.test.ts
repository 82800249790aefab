/**
 * Parking with the poll hint, the wake rule and the monitor: under all schedules no hint waits while everybody sleeps,
 * whoever vanishes. Scenarios 4, 12, 13, 66, 68, 108, 110.
 */
import { describe, expect, test } from 'vitest';
import { Dispatcher, type DispatcherKernel, type DispatcherMemory } from '../../src/reactor/dispatcher.ts';
import { LoneDispatcher } from '../../src/reactor/lone-dispatcher.ts';
import { Presence } from '../../src/reactor/presence.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { making, type PoolCase, poolProgram } from './presence-world.ts';

const holds = (pool: PoolCase): number => expectHolds(poolProgram(pool)).schedules;

describe('without putting off', () => {
  test('one worker hears of a push from outside while it waits in the kernel', () => {
    expect(holds({ workers: 1, pushes: 2, events: 1, preemptions: 4 })).toBeGreaterThan(10);
  });

  test('turns that lead to more turns are all taken', () => {
    holds({ workers: 2, pushes: 1, events: 1, requeues: 2, preemptions: 1 });
  });

  test('two workers take all that is pushed and all that is ready', () => {
    holds({ workers: 2, pushes: 1, events: 1, preemptions: 2 });
    holds({ workers: 2, pushes: 2, events: 1, preemptions: 1 });
    holds({ workers: 2, pushes: 1, events: 2, preemptions: 1 });
  });

  test('three workers, of which one may run, take all', () => {
    holds({ workers: 3, concurrency: 1, pushes: 2, preemptions: 1 });
  });

  test('a worker that vanishes takes no wake-up and no poll hint with it', () => {
    holds({ workers: 2, pushes: 2, mortal: true, preemptions: 1 });
    holds({ workers: 2, pushes: 1, events: 1, mortal: true, preemptions: 1 });
  });
});

describe('with a single worker that keeps what it pushes to itself', () => {
  test('it takes all that is pushed and all that is ready', () => {
    holds({ workers: 1, pushes: 2, events: 1, lone: LoneDispatcher, preemptions: 4 });
    holds({ workers: 1, pushes: 1, events: 2, lone: LoneDispatcher, preemptions: 4 });
    holds({ workers: 1, pushes: 2, events: 1, requeues: 2, lone: LoneDispatcher, preemptions: 3 });
    holds({ workers: 1, pushes: 2, events: 1, lone: LoneDispatcher, lingers: true, preemptions: 3 });
  });

  test('beside a monitor, and while its limit is set', () => {
    holds({ workers: 1, pushes: 1, events: 1, lone: LoneDispatcher, monitored: true, preemptions: 2 });
    holds({ workers: 1, pushes: 1, events: 1, lone: LoneDispatcher, limits: [1, 1], preemptions: 2 });
  });
});

describe('with workers that linger before they rest', () => {
  test('one worker takes all that is pushed and all that is ready', () => {
    holds({ workers: 1, pushes: 2, events: 1, lingers: true, preemptions: 3 });
  });

  test('two workers do, and one that may run of three', () => {
    holds({ workers: 2, pushes: 1, events: 1, lingers: true, preemptions: 1 });
    holds({ workers: 2, pushes: 2, lingers: true, preemptions: 1 });
    holds({ workers: 3, concurrency: 1, pushes: 1, lingers: true, preemptions: 1 });
  });

  test('one that vanishes while it lingers takes no wake-up with it', () => {
    holds({ workers: 2, pushes: 1, mortal: true, lingers: true, preemptions: 1 });
    holds({ workers: 2, events: 1, pushes: 1, mortal: true, lingers: true, preemptions: 0 });
  });

  test('the monitor makes good on what is put off', () => {
    holds({ workers: 2, events: 2, wakeAtHints: 100, monitored: true, lingers: true, preemptions: 1 });
  });
});

describe('with wake-ups put off', () => {
  test('the monitor is awake whenever a hint waits', () => {
    holds({ workers: 2, events: 2, wakeAtHints: 100, monitored: true, preemptions: 1 });
  });

  test('a handler that needs another one to run gets it', () => {
    holds({
      workers: 2,
      events: 2,
      wakeAtHints: 100,
      monitored: true,
      dependent: true,
      preemptions: 1,
      ticks: 3,
    });
  });
});

describe('the exploration finds', () => {
  const needsMonitor: PoolCase = {
    workers: 2,
    events: 2,
    wakeAtHints: 100,
    monitored: true,
    dependent: true,
    preemptions: 1,
  };
  const fails = (pool: PoolCase, message: RegExp): void => void expectFails(poolProgram(pool), message);

  test('a single worker that rests over what it keeps to itself', () => {
    class Forgetful extends LoneDispatcher<DispatcherMemory, DispatcherKernel> {
      override hasWork(): boolean {
        return !this.memory.ring.isEmpty();
      }
    }
    fails({ workers: 1, events: 1, requeues: 1, lone: Forgetful, preemptions: 1 }, /a hint was lost/);
  });

  test('a poller that waits without looking again', () => {
    class Blind extends Presence {
      override announceWait(): boolean {
        super.announceWait();
        return false;
      }
    }
    fails({ workers: 1, pushes: 1, presence: (...given) => new Blind(...given) }, /hints wait|deadlock/i);
  });

  test('a searcher that forgets that it searched', () => {
    class Forgetful extends Presence {
      override stopSearching(): void {}
    }
    fails({ workers: 2, pushes: 2, presence: (...given) => new Forgetful(...given) }, /hints wait|searches/i);
  });

  test('a worker that lingers, and stops searching only after its second look', () => {
    class Late extends Presence {
      #late = false;

      override stopSearching(): void {
        this.#late = true;
      }

      override announceWait(): boolean {
        const found = super.announceWait();
        this.#stop();
        return found;
      }

      override announcePark(...how: Parameters<Presence['announcePark']>): boolean {
        const found = super.announcePark(...how);
        this.#stop();
        return found;
      }

      #stop(): void {
        if (this.#late) super.stopSearching();
        this.#late = false;
      }
    }
    fails(
      { workers: 1, pushes: 1, lingers: true, presence: (...given) => new Late(...given) },
      /hints wait|deadlock/i,
    );
  });

  test('a poller that announces its wait after the second look', () => {
    class Late extends Dispatcher {
      override announceWait(): void {}
    }
    fails({ workers: 1, pushes: 1, make: making(Late) }, /hints wait|deadlock/i);
  });

  test('a second poll hint that nobody drops', () => {
    class Doubling extends Dispatcher {
      override replacePoll(): void {
        if (this.pollHolder === 0) this.releasePoll();
      }
    }
    fails(
      {
        workers: 2,
        pushes: 1,
        mortal: true,
        preemptions: 1,
        make: making(Doubling),
      },
      /never comes to an end|steps/i,
    );
  });

  test('a monitor whose alarm nobody sets', () => {
    class Quiet extends Dispatcher {
      override setAlarm(): void {}
    }
    fails(
      {
        ...needsMonitor,
        make: making(Quiet),
      },
      /so does the monitor/,
    );
  });

  test('a monitor that nobody starts', () => {
    class Silent extends Dispatcher {
      override startMonitor(): void {}
    }
    fails(
      {
        ...needsMonitor,
        make: making(Silent),
      },
      /so does the monitor/,
    );
  });
});
