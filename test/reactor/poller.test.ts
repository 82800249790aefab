/** Asking the kernel: what becomes of a batch of events. Scenarios 14, 34, 91 for the poller alone. */
import { describe, expect, test } from 'vitest';
import { Epoll, Errno } from '../../src/native/index.ts';
import { OwnEvent } from '../../src/reactor/dispatcher.ts';
import { epollFromReady, Poller, readyFromEpoll } from '../../src/reactor/poller.ts';
import { BATCH_EVENTS, Counter } from '../../src/slots/layout.ts';
import { NO_EVENT } from '../../src/slots/memory.ts';
import { READY_ALL, Ready, readyOf, State, stateOf } from '../../src/slots/word.ts';
import { armed, type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

const shapes = [
  { stride: 3, index: 1, generation: 2 },
  { stride: 4, index: 2, generation: 3 },
];

describe('bits', () => {
  test.each([
    [Epoll.IN, Ready.IN],
    [Epoll.PRI, Ready.PRI],
    [Epoll.OUT, Ready.OUT],
    [Epoll.ERR, Ready.ERR],
    [Epoll.HUP, Ready.HUP],
    [Epoll.RDHUP, Ready.RDHUP],
  ])('epoll %i is ready %i and back', (epoll, ready) => {
    expect(readyFromEpoll(epoll)).toBe(ready);
    expect(epollFromReady(ready)).toBe(epoll);
  });

  test('every combination comes back', () => {
    for (let ready = 0; ready <= READY_ALL; ready++)
      expect(readyFromEpoll(epollFromReady(ready))).toBe(ready);
  });

  test('what a slot has no room for is dropped', () => {
    expect(readyFromEpoll(Epoll.ONESHOT | Epoll.EDGE | 0x40 | 0x400 | Epoll.IN)).toBe(Ready.IN);
  });
});

describe.each(shapes)('a batch of entries of $stride words', (events) => {
  /** Lays entries into the batch as the kernel would. */
  function fill(
    pool: FakePool,
    ...entries: readonly [bits: number, index: number, generation: number][]
  ): void {
    const { words, layout } = pool.memory;
    for (const [i, [bits, index, generation]] of entries.entries()) {
      const at = layout.batch + i * events.stride;
      words[at] = bits;
      words[at + events.index] = index;
      words[at + events.generation] = generation;
    }
  }

  function indexAt(pool: FakePool, entry: number): number {
    return pool.memory.words[pool.memory.layout.batch + entry * events.stride + events.index] ?? 0;
  }

  const start = (): { pool: FakePool; poller: Poller; fd: number; generation: number } => {
    const pool = makeFakePool({ native: { events } });
    const fd = pool.native.eventfd();
    return { pool, poller: new Poller(pool.dispatcher), fd, generation: armed(pool, fd) };
  };

  test('an armed slot is queued with the bits, and its hint is pushed', () => {
    const { pool, poller, fd, generation } = start();
    fill(pool, [Epoll.IN | Epoll.RDHUP, fd, generation]);
    expect(poller.deliverBatch(1)).toBe(1);
    const word = pool.memory.slots.word(fd);
    expect(stateOf(word)).toBe(State.QUEUED);
    expect(readyOf(word)).toBe(Ready.IN | Ready.RDHUP);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });

  test('two entries of one slot are one hint with the bits of both', () => {
    const { pool, poller, fd, generation } = start();
    fill(pool, [Epoll.IN, fd, generation], [Epoll.OUT, fd, generation]);
    expect(poller.deliverBatch(2)).toBe(1);
    expect(readyOf(pool.memory.slots.word(fd))).toBe(Ready.IN | Ready.OUT);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });

  test('an active slot collects the bits without a hint', () => {
    const { pool, poller, fd, generation } = start();
    pool.memory.slots.deliver(fd, generation, Ready.IN);
    pool.memory.slots.claim(fd, pool.memory.me);
    fill(pool, [Epoll.OUT, fd, generation]);
    expect(poller.deliverBatch(1)).toBe(0);
    const word = pool.memory.slots.word(fd);
    expect([stateOf(word), readyOf(word)]).toEqual([State.ACTIVE, Ready.OUT]);
  });

  test('an event of an earlier or later generation is counted and dropped', () => {
    const { pool, poller, fd, generation } = start();
    const before = pool.memory.slots.word(fd);
    // 2^13 apart, the slot word alone could not tell them from one another.
    fill(
      pool,
      [Epoll.IN, fd, generation + 1],
      [Epoll.IN, fd, generation - 1],
      [Epoll.IN, fd, generation + 8192],
    );
    expect(poller.deliverBatch(3)).toBe(0);
    expect(pool.memory.slots.word(fd)).toBe(before);
    expect(pool.counted(Counter.STALE)).toBe(3);
    expect(pool.dispatcher.hasWork()).toBe(false);
  });

  test('an event of a slot that is closing is dropped', () => {
    const { pool, poller, fd, generation } = start();
    pool.memory.slots.deliver(fd, generation, Ready.IN);
    pool.memory.slots.claim(fd, pool.memory.me);
    pool.memory.slots.close(fd, pool.memory.me);
    const before = pool.memory.slots.word(fd);
    fill(pool, [Epoll.IN, fd, generation]);
    expect(poller.deliverBatch(1)).toBe(0);
    expect(pool.memory.slots.word(fd)).toBe(before);
  });

  test('delivered entries are cleared, so that a reaper finds only the rest', () => {
    const { pool, poller, fd, generation } = start();
    fill(pool, [Epoll.IN, fd, generation], [Epoll.OUT, fd, generation]);
    poller.deliverBatch(1);
    expect(indexAt(pool, 0)).toBe(NO_EVENT);
    expect(indexAt(pool, 1)).toBe(fd);
    expect(readyOf(pool.memory.slots.word(fd))).toBe(Ready.IN);
    new Poller(pool.dispatcher).deliverBatch(BATCH_EVENTS);
    expect(readyOf(pool.memory.slots.word(fd))).toBe(Ready.IN | Ready.OUT);
    expect(indexAt(pool, 1)).toBe(NO_EVENT);
    expect(pool.counted(Counter.STALE)).toBe(0);
  });

  test('the stop descriptor stops, the wake-up descriptor does nothing, and neither is a stale event', () => {
    const { pool, poller } = start();
    fill(pool, [Epoll.IN, OwnEvent.WAKE, 0]);
    expect(poller.deliverBatch(1)).toBe(0);
    expect(poller.stopped).toBe(false);
    fill(pool, [Epoll.IN, OwnEvent.STOP, 0]);
    expect(poller.deliverBatch(1)).toBe(0);
    expect(poller.stopped).toBe(true);
    expect(pool.counted(Counter.STALE)).toBe(0);
  });

  test('an index that no slot has is ignored', () => {
    const { pool, poller } = start();
    const { maxFds } = pool.memory.layout;
    fill(pool, [Epoll.IN, maxFds, 0], [Epoll.IN, 0x7fffffff, 0], [Epoll.IN, -77, 0]);
    expect(poller.deliverBatch(3)).toBe(0);
    expect(pool.dispatcher.hasWork()).toBe(false);
  });
});

describe('polling', () => {
  test('what the kernel reports comes to the slots, once', () => {
    const pool = makeFakePool();
    const poller = new Poller(pool.dispatcher);
    const fds = [pool.native.eventfd(), pool.native.eventfd()];
    for (const fd of fds) {
      armed(pool, fd);
      pool.native.signal(fd);
    }
    expect(poller.poll(0)).toBe(2);
    expect(poller.poll(0)).toBe(0);
    expect(takeAll(pool)).toEqual(fds.map((fd) => fd + 1));
    expect(pool.counted(Counter.POLLS)).toBe(2);
  });

  test('a wait that a signal interrupts is no event and no end', () => {
    const pool = makeFakePool();
    const poller = new Poller(pool.dispatcher);
    pool.native.failNext('epollWait', Errno.EINTR);
    expect(poller.poll(-1)).toBe(0);
    expect(poller.stopped).toBe(false);
  });

  test('a wait that fails ends the worker instead of spinning', () => {
    const pool = makeFakePool();
    const poller = new Poller(pool.dispatcher);
    pool.native.failNext('epollWait', Errno.EBADF);
    expect(poller.poll(-1)).toBe(0);
    expect(poller.stopped).toBe(true);
  });

  test('the stop descriptor is seen by every poller, however late', () => {
    const pool = makeFakePool();
    pool.native.signal(pool.stop);
    for (let i = 0; i < 2; i++) {
      const poller = new Poller(pool.dispatcher);
      poller.poll(-1);
      expect(poller.stopped).toBe(true);
    }
  });

  test('the wake-up descriptor ends one wait for each write, and is never read', () => {
    const pool = makeFakePool();
    const poller = new Poller(pool.dispatcher);
    pool.native.signal(pool.wake);
    expect(poller.poll(-1)).toBe(0);
    expect(() => poller.poll(-1)).toThrow('would wait for ever');
    pool.native.signal(pool.wake);
    expect(poller.poll(-1)).toBe(0);
    expect(poller.stopped).toBe(false);
  });
});
