/** The condition: what is put is taken, whoever sleeps meanwhile, and by others if the one that was woken dies. */
import { describe, expect, test } from 'vitest';
import { Condition } from '../../src/sync/condition.ts';
import { Mutex } from '../../src/sync/mutex.ts';
import type { Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { LateNoteCondition } from '../explorer/mutants/robust.ts';
import type { Body, Program } from '../explorer/program.ts';
import { DATA, deathsSeen, OWNERS, type RobustOptions, robustProgram } from './robust-world.ts';

const LOCK = 0;
const FILLED = 1;
type Make = (port: Port) => Condition;
const real: Make = (port) => new Condition(port, FILLED);
const mutexOf = (port: Port): Mutex => new Mutex(port, LOCK, deathsSeen(port));

const puts =
  (me: number, make: Make): Body =>
  (port) => {
    const mutex = mutexOf(port);
    mutex.lock(me);
    port.store(DATA, port.load(DATA) + 1);
    mutex.unlock();
    make(port).notify(1);
    return undefined;
  };

const takes =
  (me: number, patience: number, make: Make): Body =>
  (port, self) => {
    const mutex = mutexOf(port);
    const filled = make(port);
    mutex.lock(me);
    while (port.load(DATA) === 0) {
      if (filled.wait(mutex, me, patience)) continue;
      self.check(mutex.owner === me, 'it has the mutex when its time is over');
      mutex.unlock();
      return undefined;
    }
    port.store(DATA, port.load(DATA) - 1);
    self.log(1);
    self.check(mutex.release(me), 'it has the mutex');
    return undefined;
  };

type Play = RobustOptions & { readonly make?: Make };

/** p puts, t takes, T takes if something comes in time. */
function program(roles: string, { make = real, ...rest }: Play = {}): Program {
  const bodies = roles
    .split('')
    .map((role, i) => (role === 'p' ? puts(i + 1, make) : takes(i + 1, role === 'T' ? 10 : Infinity, make)));
  return {
    ...robustProgram(bodies, { timeouts: roles.split('').filter((role) => role === 'T').length, ...rest }),
    end: (view) => {
      expect(mutexOf(view.port).tryLock(9), 'the mutex can be had').toBe(true);
      const asleep = roles.split('').filter((_, i) => view.status(OWNERS[i + 1] ?? '') === 'asleep').length;
      if (view.word(DATA) > 0) expect(asleep, 'who sleeps while there is something').toBe(0);
    },
  };
}

describe('under all schedules a condition', () => {
  test('misses nothing that is said after the mutex was released', () => {
    expectHolds(program('pt', { preemptions: 5 }));
    expectHolds(program('pptt', { preemptions: 1 }));
    expectHolds(program('ptT', { preemptions: 2, mayEndAsleep: ['B', 'C'] }));
    expectHolds(program('pT', { preemptions: 4 }));
  });

  test('wakes another one if the one that was woken vanishes', () => {
    expectHolds(program('ptt', { mortal: ['B'], preemptions: 2, mayEndAsleep: ['B', 'C'] }));
    expectHolds(program('pptt', { mortal: ['C'], preemptions: 1 }));
  });
});

test('it is found out that a condition notes what was said after the mutex was released', () => {
  expectFails(
    program('pt', { make: (port) => new LateNoteCondition(port, FILLED), preemptions: 3 }),
    /deadlock/,
  );
});
