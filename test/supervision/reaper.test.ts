/** What the reaper makes of the memory that a dead worker has left, over the fake kernel (G9). */
import { beforeEach, describe, expect, test } from 'vitest';
import { Ready, State } from '../../src/slots/word.ts';
import { reap } from '../../src/supervision/reaper.ts';
import { armed, type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

/** The worker that dies; worker 0 lives. */
const DEAD = 1;
const ALIVE = 0b1;

let pool: FakePool;

beforeEach(() => {
  pool = makeFakePool({ ringSize: 4 });
});

function deliver(fd: number): void {
  pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), Ready.IN);
}

describe('a hint that died with its worker', () => {
  test('is pushed again, however full the ring is', () => {
    const fds = Array.from({ length: 12 }, () => pool.native.eventfd());
    for (const fd of fds) armed(pool, fd);
    for (const fd of fds) deliver(fd);
    // All but the last reach the queue.
    for (const fd of fds.slice(0, -1)) pool.dispatcher.push(fd + 1);
    reap(pool.dispatcher, DEAD, ALIVE);
    const claimed = takeAll(pool).filter((hint) => {
      const isPoll = pool.dispatcher.isPollHint(hint);
      return !isPoll && pool.memory.slots.claim(hint - 1, pool.memory.me) !== 0;
    });
    expect(claimed.toSorted((a, b) => a - b)).toEqual(fds.map((fd) => fd + 1));
    for (const fd of fds) expect(pool.memory.slots.state(fd)).toBe(State.ACTIVE);
    expect(pool.dispatcher.hasWork()).toBe(false);
  });
});
