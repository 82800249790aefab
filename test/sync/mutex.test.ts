/**
 * The mutex: one owner under all schedules of up to three threads, no sleeper is forgotten, and a supervisor hands it
 * on after a death at any instruction. Scenario 71 for the lock.
 */
import { describe, expect, test } from 'vitest';
import { Mutex } from '../../src/sync/mutex.ts';
import { AtomicsPort } from '../../src/sync/port.ts';
import { expectHolds } from '../explorer/explore.ts';
import { mutexProgram } from './mutex-world.ts';

describe('a lock, used by one thread', () => {
  const make = (): Mutex => new Mutex(new AtomicsPort(new Int32Array(new SharedArrayBuffer(4))), 0);

  test('names its owner, and refuses a second one until it is released', () => {
    const mutex = make();
    expect(mutex.owner).toBe(0);
    expect(mutex.tryLock(7)).toBe(true);
    expect(mutex.owner).toBe(7);
    expect(mutex.tryLock(8)).toBe(false);
    mutex.unlock();
    expect(mutex.owner).toBe(0);
    expect(mutex.tryLock(8)).toBe(true);
  });

  test('is recovered from a dead owner, and from no other', () => {
    const mutex = make();
    mutex.lock(7);
    expect(mutex.recover(8, 9)).toBe(false);
    expect(mutex.owner).toBe(7);
    expect(mutex.recover(7, 9)).toBe(true);
    expect(mutex.owner).toBe(9);
    mutex.unlock();
    expect(mutex.recover(9, 9)).toBe(false);
    expect(mutex.owner).toBe(0);
  });
});

describe('under all schedules a lock', () => {
  test('has one owner and forgets no sleeper, with two threads of three turns', () => {
    expectHolds(mutexProgram({ turns: [3, 3] }));
  });

  test('has one owner and forgets no sleeper, with three threads', () => {
    expectHolds(mutexProgram({ turns: [1, 1, 1] }));
    expectHolds(mutexProgram({ turns: [2, 2, 1], preemptions: 5 }));
  });

  test('survives a thread that vanishes anywhere: as owner, as sleeper, notified, or between release and notify', () => {
    expectHolds(mutexProgram({ turns: [2, 1], mortal: true }));
    expectHolds(mutexProgram({ turns: [2, 1, 1], mortal: true, preemptions: 3 }));
  });
});
