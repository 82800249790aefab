/** The semaphore: never more holders than permits, no sleeper forgotten, and a dead holder's permit is somebody's again. */
import { describe, expect, test } from 'vitest';
import { popcount } from '../../src/sync/bitset.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { Semaphore, semaphoreWords } from '../../src/sync/semaphore.ts';
import { block } from '../../src/sync/waiting.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { LateNoteSemaphore } from '../explorer/mutants/robust.ts';
import { again, type Body, type Program } from '../explorer/program.ts';
import { DEAD, deathsSeen, INSIDE, type RobustOptions, robustProgram } from './robust-world.ts';

type Make = (port: Port, permits: number) => Semaphore;
const real: Make = (port, permits) => new Semaphore(port, 0, permits, deathsSeen(port));

const body =
  (me: number, turns: number, permits: number, patience: number, make: Make): Body =>
  (port, self) => {
    const semaphore = make(port, permits);
    if (semaphore.tryAcquire(me) || block(port, semaphore.acquiring(me), patience)) {
      const inside = port.or(INSIDE, 1 << me) | (1 << me);
      self.check(popcount(inside & ~port.load(DEAD)) <= permits, 'more holders than permits');
      port.and(INSIDE, ~(1 << me));
      self.check(semaphore.release(me), 'it has a permit');
    }
    return self.round + 1 < turns ? again(self.round + 1) : undefined;
  };

type Play = RobustOptions & { readonly patience?: readonly number[]; readonly make?: Make };

function program(
  permits: number,
  turns: readonly number[],
  { patience = [], make = real, ...rest }: Play = {},
): Program {
  const bodies = turns.map((count, i) => body(i + 1, count, permits, patience[i] ?? Infinity, make));
  return {
    ...robustProgram(bodies, { timeouts: patience.length, ...rest }),
    end: (view) => expect(make(view.port, permits).count(), 'no permit is lost').toBe(0),
  };
}

describe('a semaphore, used by one thread', () => {
  test('gives as many permits as there are, and takes each back once', () => {
    const dead: number[] = [];
    const port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(4 * semaphoreWords(3))));
    const semaphore = new Semaphore(port, 0, 3, (owner) => dead.includes(owner));
    expect([1, 2, 1, 3].map((owner) => semaphore.tryAcquire(owner))).toEqual([true, true, true, false]);
    expect(semaphore.count()).toBe(3);
    expect([3, 1, 1, 1].map((owner) => semaphore.release(owner))).toEqual([false, true, true, false]);
    expect(semaphore.count()).toBe(1);
    dead.push(2);
    expect(semaphore.count()).toBe(0);
    expect([1, 1, 1, 1].map((owner) => semaphore.tryAcquire(owner))).toEqual([true, true, true, false]);
    dead.push(1);
    expect([3, 3, 3, 3].map((owner) => semaphore.tryAcquire(owner))).toEqual([true, true, true, false]);
    expect(port.words).toHaveLength(4);
  });
});

describe('under all schedules a semaphore', () => {
  test('has no more holders than permits, and forgets no sleeper', () => {
    expectHolds(program(1, [2, 2], { preemptions: 4 }));
    expectHolds(program(2, [1, 1, 1], { preemptions: 3 }));
    expectHolds(program(1, [1, 1, 1], { preemptions: 3 }));
  });

  test('forgets no sleeper when another one’s time is over', () => {
    expectHolds(program(1, [1, 1, 1], { patience: [Infinity, 10], preemptions: 2 }));
  });

  test('has its permit back when the holder vanishes anywhere', () => {
    expectHolds(program(1, [1, 1], { mortal: ['A', 'B'], preemptions: 3 }));
    expectHolds(program(2, [1, 1, 1], { mortal: ['A'], preemptions: 2 }));
    expectHolds(program(1, [1, 1, 1], { mortal: ['A'], preemptions: 2 }));
  });
});

test('it is found out that a semaphore notes what it sleeps on after its look', () => {
  const make: Make = (port, permits) => new LateNoteSemaphore(port, 0, permits, deathsSeen(port));
  expectFails(program(1, [1, 1], { make }), /deadlock/);
});
