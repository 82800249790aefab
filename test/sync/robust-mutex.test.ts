/**
 * The mutex whose next owner takes it over from a dead one: one owner under all schedules, the dead one's successor knows of
 * it, and whoever gives up leaves no sleeper behind.
 */
import { describe, expect, test } from 'vitest';
import { Mutex } from '../../src/sync/mutex.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { again, type Body, type Program } from '../explorer/program.ts';
import { UnawareMutex, UnmarkedMutex } from '../explorer/mutants/robust.ts';
import { DATA, deathsSeen, INSIDE, type RobustOptions, robustProgram } from './robust-world.ts';

const LOCK = 0;
type Make = (port: Port) => Mutex;
const realMutex: Make = (port) => new Mutex(port, LOCK, deathsSeen(port));

/** Inside it changes two words, which are equal while nobody is, unless an owner has died between them. */
const body =
  (me: number, turns: number, timeoutMs: number, make: Make): Body =>
  (port, self) => {
    const mutex = make(port);
    if (mutex.lock(me, timeoutMs)) {
      const inside = port.exchange(INSIDE, me);
      const [first, second] = [port.load(DATA), port.load(DATA + 1)];
      if (mutex.damaged) port.store(DATA + 1, first);
      else self.check(inside === 0 && first === second, 'half changed, and nobody told');
      port.store(DATA, first + 1);
      port.store(DATA + 1, first + 1);
      self.check(port.load(INSIDE) === me, 'two threads hold the lock');
      port.store(INSIDE, 0);
      self.log(1);
      self.check(mutex.release(me), 'it is the owner');
    }
    return self.round + 1 < turns ? again(self.round + 1) : undefined;
  };

type Play = RobustOptions & {
  readonly make?: Make;
  /** How long each waits, for ever unless given. */
  readonly patience?: readonly number[];
};

function program(turns: readonly number[], { make = realMutex, patience = [], ...rest }: Play = {}): Program {
  const bodies = turns.map((count, i) => body(i + 1, count, patience[i] ?? Infinity, make));
  return {
    ...robustProgram(bodies, { timeouts: patience.length, ...rest }),
    end: (view) => {
      const mutex = make(view.port);
      expect(mutex.owner === 0 || deathsSeen(view.port)(mutex.owner), 'it is free, or a dead one’s').toBe(
        true,
      );
      expect(mutex.tryLock(9), 'it can be had').toBe(true);
    },
  };
}

describe('a lock, used by one thread', () => {
  const make = (dead: number[] = []): Mutex =>
    new Mutex(new AtomicsPort(new Int32Array(new SharedArrayBuffer(4))), 0, (owner) => dead.includes(owner));

  test('is released by its owner only', () => {
    const mutex = make();
    expect(mutex.lock(7)).toBe(true);
    expect(mutex.release(8)).toBe(false);
    expect(mutex.owner).toBe(7);
    expect(mutex.release(7)).toBe(true);
    expect(mutex.release(7)).toBe(false);
  });

  test('is not waited for by its own owner', () => {
    const mutex = make();
    mutex.lock(7);
    expect(() => mutex.lock(7)).toThrow(expect.objectContaining({ code: 'ERR_WAKEONE_LOCK_HELD' }));
    expect(mutex.tryLock(7)).toBe(false);
  });

  test('is taken over from a dead owner, and tells it until an owner says that all is in order', () => {
    const dead: number[] = [];
    const mutex = make(dead);
    mutex.lock(7);
    expect(mutex.tryLock(8)).toBe(false);
    dead.push(7);
    expect(mutex.tryLock(8)).toBe(true);
    expect([mutex.owner, mutex.damaged]).toEqual([8, true]);
    expect(mutex.release(8, true)).toBe(true);
    expect([mutex.owner, mutex.damaged]).toEqual([0, true]);
    expect(mutex.lock(9)).toBe(true);
    expect([mutex.owner, mutex.damaged]).toEqual([9, true]);
    expect(mutex.release(9)).toBe(true);
    expect([mutex.owner, mutex.damaged]).toEqual([0, false]);
  });

  test('is waited for no longer than was said', () => {
    const mutex = make();
    mutex.lock(7);
    const from = performance.now();
    expect(mutex.lock(8, 0)).toBe(false);
    expect(mutex.lock(8, 60)).toBe(false);
    expect(performance.now() - from).toBeGreaterThan(59);
    expect(mutex.release(7)).toBe(true);
    expect(mutex.lock(8, 0)).toBe(true);
  });
});

describe('under all schedules a lock', () => {
  test('has one owner, and forgets no sleeper', () => {
    expectHolds(program([2, 2]));
    expectHolds(program([1, 1, 1], { preemptions: 4 }));
  });

  test('forgets no sleeper when another one’s time is over', () => {
    expectHolds(program([1, 1, 1], { patience: [Infinity, 10], preemptions: 2 }));
    expectHolds(program([2, 1, 1], { patience: [10, 10], preemptions: 2 }));
  });

  test('is taken over from an owner that vanishes anywhere, and the next one knows', () => {
    expectHolds(program([1, 1], { mortal: ['A'] }));
    expectHolds(program([2, 1], { mortal: ['A', 'B'], preemptions: 4 }));
    expectHolds(program([1, 1, 1], { mortal: ['A'], preemptions: 3 }));
    expectHolds(program([1, 1, 1], { mortal: ['A'], preemptions: 2, timeouts: 1 }));
  });

  test('is taken over from two that vanish one after the other', () => {
    expectHolds(program([1, 1, 1], { mortal: ['A', 'B'], vanishings: 2, preemptions: 2 }));
  });
});

describe('it is found out that a lock', () => {
  test('asks for no deaths once it sleeps', () => {
    expectFails(program([1, 1], { mortal: ['A'], make: (port) => new UnawareMutex(port) }), /deadlock/);
  });

  test('does not tell of the death', () => {
    expectFails(
      program([1, 1], { mortal: ['A'], make: (port) => new UnmarkedMutex(port, LOCK, deathsSeen(port)) }),
      /nobody told/,
    );
  });
});
