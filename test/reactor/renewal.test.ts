/** The epoll set is replaced, and slots follow: S1 to S4, on the fake kernel. Scenarios 35, 43 for each step alone. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EpollOp, Errno } from '../../src/native/index.ts';
import { Leftovers } from '../../src/reactor/leftovers.ts';
import { Poller } from '../../src/reactor/poller.ts';
import { Config, Counter, Word } from '../../src/slots/layout.ts';
import { PoolPhase } from '../../src/slots/memory.ts';
import { Kind, packConfig, Trait } from '../../src/slots/record.ts';
import { Flag, flagsOf, Ready, readyOf, State } from '../../src/slots/word.ts';
import type { Application } from '../../src/sources/registrar.ts';
import { Descriptors } from '../../src/supervision/descriptors.ts';
import { Renewal } from '../../src/supervision/renewal.ts';
import {
  armed,
  connectionFd,
  type FakePool,
  type FakePoolOptions,
  makeFakePool,
  rawFd,
  takeAll,
} from '../fake-pool.ts';

const edgeFd = { ...rawFd, traits: Trait.EDGE };
const ownedFd = { ...rawFd, traits: Trait.OWN };
const MODES = [
  ['edge', edgeFd],
  ['oneshot', rawFd],
] as const;
const TICK_MS = 5;
const GAP_MS = 1000;

let pool: FakePool;
let descriptors: Descriptors;
let renewal: Renewal;

beforeEach(() => {
  vi.useFakeTimers();
  begins();
});

/** Makes a pool whose descriptors are the real ones: those of the fake pool come before them, and are not used. */
function begins(options: FakePoolOptions = {}): void {
  const [epoll, wake, stop] = [8, 9, 10];
  const config = { [Config.EPOLL_FD]: epoll, [Config.WAKE_FD]: wake, [Config.STOP_FD]: stop };
  pool = makeFakePool({ ...options, config });
  descriptors = new Descriptors(pool.native, 2);
  expect(descriptors).toMatchObject({ epoll, wake, stop });
  renewal = new Renewal(pool.dispatcher, pool.strands, descriptors);
}

afterEach(() => {
  vi.useRealTimers();
});

const epoch = (): number => pool.memory.words[Word.EPOCH] ?? 0;
const rebuilds = (): number => pool.counted(Counter.REBUILDS);

/** Replaces the set. Slots move at once, but for those that need a turn for it. */
function begin(): void {
  renewal.ask();
  vi.advanceTimersByTime(0);
}

/** Registers a descriptor, whose turn has begun. */
function claimed(application: Application): number {
  const fd = pool.native.eventfd();
  const generation = armed(pool, fd, application);
  const { slots, me } = pool.memory;
  slots.deliver(fd, generation, Ready.IN);
  takeAll(pool);
  slots.claim(fd, me);
  return fd;
}

/** A turn of every slot that waits for one. What was claimed of each. */
function takeTurns(): Map<number, number> {
  const { slots, me } = pool.memory;
  const turns = new Map<number, number>();
  for (const hint of takeAll(pool)) {
    if (pool.dispatcher.isPollHint(hint)) continue;
    const index = hint - 1;
    const word = slots.claim(index, me);
    if (word === 0) continue;
    turns.set(index, word);
    if (pool.strands.follow(index, word)) pool.strands.finish(index, 0, Ready.IN, false);
  }
  return turns;
}

/** Asks the kernel, and takes the turns that there are then: slots that may be read. (An eventfd can be written to as well.) */
function served(): number[] {
  new Poller(pool.dispatcher).poll(0);
  return [...takeTurns()].flatMap(([index, word]) => ((readyOf(word) & Ready.IN) !== 0 ? [index] : []));
}

describe.each(MODES)('an armed slot, %s', (_, application) => {
  test('moves, and is heard of again', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, application);
    begin();
    expect(epoch()).toBe(1);
    takeTurns();
    expect(pool.strands.isBehind(fd)).toBe(false);
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
    expect(served()).toEqual([]);
    pool.native.signal(fd);
    expect(served()).toEqual([fd]);
  });

  test('loses nothing that becomes ready before it moves', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, application);
    pool.native.onCall = (call) => {
      if (call !== 'replace') return;
      pool.native.onCall = undefined;
      pool.native.signal(fd);
    };
    begin();
    takeTurns();
    expect(served()).toEqual([fd]);
  });

  test('that is active meanwhile moves when its turn is over, or in the next', () => {
    const fd = claimed(application);
    begin();
    vi.advanceTimersByTime(10 * TICK_MS);
    expect(rebuilds()).toBe(0);
    pool.native.signal(fd);
    pool.strands.finish(fd, 0, Ready.IN, false);
    takeTurns();
    expect(served()).toEqual([fd]);
    vi.advanceTimersByTime(100 * TICK_MS);
    expect(rebuilds()).toBe(1);
  });

  test('whose number is another file’s by now is not followed by that: its next turn is the last', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, { ...application, traits: application.traits | Trait.OWN });
    pool.native.close(fd);
    const other = pool.native.eventfd();
    expect(other).toBe(fd);
    begin();
    if (pool.strands.isBehind(fd)) takeTurns();
    expect(flagsOf(pool.memory.slots.word(fd)) & Flag.FORCED).toBe(Flag.FORCED);
    const { slots, me } = pool.memory;
    takeAll(pool);
    slots.claim(fd, me);
    pool.native.signal(fd);
    expect(new Poller(pool.dispatcher).poll(0)).toBe(0);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(pool.native.statusFlags(fd)).toBeGreaterThanOrEqual(0);
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
  });

  test('that ends before it moves is known as ours', () => {
    const fd = claimed({ ...application, traits: application.traits | Trait.OWN });
    begin();
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(pool.native.statusFlags(fd)).toBe(Errno.EBADF);
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
  });
});

/** Lets the calls with which a slot moves fail, 0 for one that does not: the first looks whether it is in the new set. */
function failMove(...errnos: number[]): void {
  pool.native.onCall = (call, set, op) => {
    if (call !== 'epollControl' || set !== descriptors.epoll) return;
    pool.native.onCall = undefined;
    expect(op).toBe(EpollOp.MOD);
    pool.native.failNext('epollControl', ...errnos);
  };
}

describe('where the kernel allows no registration more', () => {
  test.each([Errno.ENOSPC, Errno.ENOMEM])('a slot leaves the former set first (%i)', (errno) => {
    const fd = pool.native.eventfd();
    armed(pool, fd, edgeFd);
    // It is not in the new one; the old one knows it; there is no room for two.
    failMove(0, 0, errno);
    begin();
    expect(pool.native.onCall).toBeUndefined();
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
    pool.native.signal(fd);
    expect(served()).toEqual([fd]);
  });

  test('and none at all, a slot ends, and its number is closed', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, { ...edgeFd, traits: Trait.EDGE | Trait.OWN });
    failMove(0, 0, Errno.ENOSPC, 0, Errno.ENOSPC);
    begin();
    const { slots, me } = pool.memory;
    takeAll(pool);
    expect(flagsOf(slots.claim(fd, me))).toBe(Flag.FORCED);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(pool.native.statusFlags(fd)).toBe(Errno.EBADF);
  });
});

describe('a connection', () => {
  test.each([
    ['edge', connectionFd, State.ARMED],
    ['oneshot', { ...connectionFd, traits: Trait.OWN | Trait.STREAM }, State.QUEUED],
  ] as const)('in mode %s moves, and nobody has asked anything of it', (mode, application, state) => {
    const fd = pool.native.eventfd();
    armed(pool, fd, application);
    begin();
    const { slots } = pool.memory;
    expect(pool.strands.isBehind(fd)).toBe(false);
    expect(slots.state(fd)).toBe(state);
    expect(flagsOf(slots.word(fd))).toBe(0);
    expect(readyOf(slots.word(fd))).toBe(mode === 'edge' ? 0 : Ready.OUT);
    takeTurns();
    pool.native.signal(fd);
    expect(served()).toEqual([fd]);
  });

  test.each(MODES)('that is disabled stays so (%s)', (_, { traits }) => {
    const fd = claimed({ ...connectionFd, traits: traits | Trait.OWN | Trait.STREAM });
    pool.strands.finish(fd, 0, 0, true);
    begin();
    expect(pool.strands.isBehind(fd)).toBe(false);
    expect(pool.memory.slots.state(fd)).toBe(State.DISABLED);
    expect(takeTurns().size).toBe(0);
  });
});

describe('a registration', () => {
  test.each([
    ['before it is made', 1],
    ['before it looks again', 2],
  ])('is in the new set if that comes %s', (_, look) => {
    const fd = pool.native.eventfd();
    const { port } = pool.memory;
    const load = port.load.bind(port);
    let looks = 0;
    vi.spyOn(port, 'load').mockImplementation((at) => {
      const word = load(at);
      if (at !== Word.EPOCH || ++looks !== look) return word;
      begin();
      // The second look sees what has come.
      return look === 1 ? word : load(at);
    });
    armed(pool, fd, edgeFd);
    vi.restoreAllMocks();
    expect(epoch()).toBe(1);
    takeTurns();
    expect(pool.strands.isBehind(fd)).toBe(false);
    vi.advanceTimersByTime(100 * TICK_MS);
    expect(rebuilds()).toBe(1);
    pool.native.signal(fd);
    expect(served()).toEqual([fd]);
  });

  test('whose thread dies before it is made is not behind', () => {
    begin();
    vi.advanceTimersByTime(TICK_MS);
    const fd = pool.native.eventfd();
    pool.memory.slots.register(fd, pool.memory.me);
    pool.memory.records.begin(fd, 0, packConfig(0, Kind.RAW, 0), Ready.IN, 0n);
    expect(pool.strands.isBehind(fd)).toBe(false);
  });

  test('of what the set knows already, and not by us, fails', () => {
    expect(pool.registrar.register(descriptors.wake, rawFd)).toBe(Errno.EEXIST);
    expect(pool.memory.slots.state(descriptors.wake)).toBe(State.FREE);
  });

  test('without a descriptor is never behind', () => {
    const index = pool.registrar.registerSource({ ...rawFd, kind: Kind.EVENT, traits: Trait.EDGE });
    pool.strands.finish(index, 0, 0, false);
    begin();
    expect(pool.strands.isBehind(index)).toBe(false);
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
  });
});

test('a oneshot that is re-armed in the turn in which the set was replaced is armed in the new one', () => {
  const fd = claimed(ownedFd);
  // Before the epoch: the slot does not know yet that it is behind.
  expect(descriptors.renew((former) => pool.memory.port.store(Word.FORMER_SET, former))).toBe(true);
  pool.strands.finish(fd, 0, Ready.IN, false);
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  pool.native.signal(fd);
  expect(served()).toEqual([fd]);
});

describe('what is left over', () => {
  test('reports itself no more, and all descriptors but one are as before', () => {
    const fd = pool.native.eventfd();
    const generation = armed(pool, fd, { ...connectionFd, kind: Kind.RAW });
    const copy = pool.native.duplicate(fd, 0);
    const { slots, me } = pool.memory;
    slots.request(fd, generation, Flag.FORCED);
    slots.claim(fd, me);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    takeAll(pool);
    let left = 0;
    const poller = new Poller(pool.dispatcher, () => left++);
    for (let i = 0; i < 5; i++) {
      pool.native.signal(copy);
      vi.advanceTimersByTime(40);
      poller.poll(0);
    }
    expect(left).toBe(1);
    expect(pool.counted(Counter.STALE)).toBe(5);
    begin();
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(1);
    pool.native.signal(copy);
    poller.poll(0);
    expect(pool.counted(Counter.STALE)).toBe(5);
    const before = pool.native.openFds;
    vi.advanceTimersByTime(3 * GAP_MS);
    begin();
    vi.advanceTimersByTime(TICK_MS);
    expect(rebuilds()).toBe(2);
    expect(pool.native.openFds).toEqual(before);
    descriptors.close();
    expect(pool.native.openFds).toHaveLength(before.length - 5 - 3 * 2 - 1);
  });

  test('is told apart from what was on its way', () => {
    const leftovers = new Leftovers();
    expect([0, 10, 20, 99].map((now) => leftovers.note(7, 1, now))).toEqual([false, false, false, false]);
    expect(leftovers.note(7, 1, 100)).toBe(true);
    // It begins anew.
    expect(leftovers.note(7, 1, 101)).toBe(false);
    // Another generation each time: a number that is used again and again.
    for (let generation = 2; generation < 100; generation++)
      expect(leftovers.note(7, generation, generation * 1000)).toBe(false);
    for (let index = 100; index < 1000; index++) expect(leftovers.note(index, 1, 5000)).toBe(false);
  });

  test('is found among many that take turns, and among generations of one number', () => {
    const leftovers = new Leftovers();
    let found = 0;
    for (let now = 0; now < 400; now += 100)
      for (let i = 0; i < 1000; i++) if (leftovers.note(i >> 1, i & 1, now)) found++;
    expect(found).toBe(1000);
    // More than it remembers.
    const forgetful = new Leftovers();
    for (let now = 0; now < 400; now += 100)
      for (let i = 0; i < 5000; i++) expect(forgetful.note(i, 1, now)).toBe(false);
    expect([400, 500, 600].map((now) => forgetful.note(4999, 1, now))).toEqual([false, true, false]);
  });
});

describe('a replacement', () => {
  test('comes at most once a second, and later and later when it is asked for again and again', () => {
    begin();
    expect(epoch()).toBe(1);
    const times: number[] = [];
    let last = performance.now();
    for (let ms = 0; ms < 300_000; ms += 100) {
      renewal.ask();
      const before = epoch();
      vi.advanceTimersByTime(100);
      if (epoch() === before) continue;
      times.push(Math.round((performance.now() - last) / 1000));
      last = performance.now();
    }
    expect(times.slice(0, 6)).toEqual([2, 4, 8, 16, 32, 60]);
    expect(Math.max(...times)).toBe(60);
    vi.advanceTimersByTime(121_000);
    const before = epoch();
    begin();
    expect(epoch()).toBe(before + 1);
  });

  test('that cannot be made changes nothing, and may be made later', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, edgeFd);
    const before = pool.native.openFds;
    for (const call of ['epollCreate', 'duplicate', 'epollControl'] as const) {
      pool.native.failNext(call, Errno.EMFILE);
      vi.advanceTimersByTime(200_000);
      begin();
      expect(epoch(), call).toBe(0);
      expect(pool.native.openFds, call).toEqual(before);
    }
    pool.native.signal(fd);
    expect(served()).toEqual([fd]);
    vi.advanceTimersByTime(200_000);
    begin();
    expect(epoch()).toBe(1);
  });

  test('is not begun in a pool that ends, and not gone on with when it has ended', () => {
    const fd = pool.native.eventfd();
    armed(pool, fd, edgeFd);
    begin();
    pool.memory.port.store(Word.PHASE, PoolPhase.CLOSED);
    const calls: string[] = [];
    pool.native.onCall = (call) => calls.push(call);
    takeTurns();
    calls.length = 0;
    vi.advanceTimersByTime(10_000);
    expect(calls).toEqual([]);
    pool.memory.port.store(Word.PHASE, PoolPhase.DRAINING);
    new Renewal(pool.dispatcher, pool.strands, descriptors).ask();
    vi.advanceTimersByTime(10_000);
    expect(calls).toEqual([]);
    expect(epoch()).toBe(1);
  });

  test('of many slots moves them in pages, and ends when the last has moved', () => {
    begins({ maxFds: 12_000, ringSize: 32_768, native: { maxOpenFiles: 12_000 } });
    const fds = Array.from({ length: 9000 }, () => pool.native.eventfd());
    for (const fd of fds) armed(pool, fd, edgeFd);
    begin();
    expect(fds.filter((fd) => pool.strands.isBehind(fd))).toHaveLength(9000 - 1024);
    vi.advanceTimersByTime(TICK_MS + 20);
    expect(fds.filter((fd) => pool.strands.isBehind(fd))).toEqual([]);
    expect(rebuilds()).toBe(1);
  });
});
