/**
 * An attached Worker that vanishes at any access of shared memory, in each of its calls, and the reaper after it: no slot,
 * lock or wake-up stays with it, what it had posted is handled at most once more than it knew (G9). Scenarios 71 and 107 for
 * attached threads.
 */
import { describe, expect, test } from 'vitest';
import { Config, countersOf, Owner, Word } from '../../src/slots/layout.ts';
import { Dispatcher } from '../../src/reactor/dispatcher.ts';
import { attachMemory } from '../../src/slots/memory.ts';
import { HOME_OF_EACH, homeOf, homeTrait, Kind, kindOf, mergeTrait, Trait } from '../../src/slots/record.ts';
import { Merge } from '../../src/slots/user.ts';
import { NO_OWNER, ownerOf, State } from '../../src/slots/word.ts';
import { makeAccess } from '../../src/sources/access.ts';
import { addDescriptor } from '../../src/sources/add.ts';
import { FdSource } from '../../src/sources/fd-source.ts';
import { Registration } from '../../src/sources/registration.ts';
import { openTimer } from '../../src/sources/timer.ts';
import { postItem, UserEvent } from '../../src/sources/user-event.ts';
import { reapAttached } from '../../src/supervision/reaper.ts';
import { ParkState } from '../../src/sync/parking.ts';
import type { Port } from '../../src/sync/port.ts';
import { armed, contextOf, type FakePool, makeFakePool, type Member, rawFd } from '../fake-pool.ts';

const ME = Owner.FIRST_ATTACHED;
const ENTRIES = [{ name: 'raw', kind: Kind.RAW }] as const;
const ALIVE = 0b11;
/** The worker that sleeps while the attached thread makes its call. */
const SLEEPER = 1;

/** Beyond the end of each of these calls. */
const MOST_CALLS = 500;

class Vanished extends Error {}

/** The attached thread: vanishes in place of its n-th access. */
function attached(pool: FakePool, vanishesAt: number): Member & { readonly accesses: () => number } {
  const memory = attachMemory(pool.memory.buffers, ME, countersOf(ME));
  let accesses = 0;
  const port = memory.port as unknown as Record<keyof Port, (...values: number[]) => unknown>;
  for (const name of [
    'load',
    'store',
    'compareExchange',
    'exchange',
    'add',
    'or',
    'and',
    'notify',
  ] as const) {
    const real = port[name].bind(memory.port);
    port[name] = (...values) => {
      if (++accesses === vanishesAt) throw new Vanished();
      return real(...values);
    };
  }
  const dispatcher = new Dispatcher(memory, pool.native);
  return { ...makeAccess(dispatcher, pool.native), dispatcher, accesses: () => accesses };
}

type World = {
  readonly pool: FakePool;
  readonly fd: number;
  readonly source: number;
};

/** A pool with a descriptor to add, a user event that counts, and stale slots of all kinds behind it. */
function makeWorld(): World & { readonly run: () => Seen } {
  const pool = makeFakePool({ config: { [Config.MAX_SOURCES]: 3 } });
  const { memory, strands, registrar, native } = pool;
  const seen: Seen = { values: 0, lasts: 0, calls: 0 };
  const { context } = contextOf(pool, [
    (event) => {
      seen.calls++;
      seen.values += event.value;
      if (event.last) seen.lasts++;
    },
  ]);
  const fdSource = new FdSource(context);
  const fd = native.eventfd();
  // The number was an own descriptor of the pool's before, the sources a timer and an event: fields of old stay in slots.
  armed(pool, fd, { ...rawFd, traits: Trait.OWN });
  memory.slots.request(fd, memory.slots.generation(fd), 1);
  const sources = [Kind.EVENT, Kind.TIMER].map((kind) => {
    const index = registrar.registerSource({ ...rawFd, kind, timer: { afterMs: 1000, periodMs: 1000 } });
    strands.finish(index, 0, 0, false);
    return index;
  });
  for (const index of [fd, ...sources]) {
    memory.slots.request(index, memory.slots.generation(index), 1);
    memory.slots.claim(index, memory.me);
    strands.beginEnd(index);
    memory.users.takeLast(index, memory.slots.generation(index));
    strands.end(index, true);
  }
  const source = registrar.registerSource({
    ...rawFd,
    kind: Kind.EVENT,
    traits: Trait.EDGE | mergeTrait(Merge.COUNT),
  });
  strands.finish(source, 0, 0, false);
  while (pool.dispatcher.take() !== 0);
  const run = (): Seen => {
    for (let turns = 0; turns < 100; turns++) {
      const hint = pool.dispatcher.take();
      if (hint === 0) return seen;
      if (pool.dispatcher.isPollHint(hint)) continue;
      const claimed = memory.slots.claim(hint - 1, memory.me);
      if (claimed !== 0) fdSource.turn(hint - 1, claimed);
    }
    throw new Error('it never rests');
  };
  return { pool, fd, source, run };
}

type Seen = { values: number; lasts: number; calls: number };

/** What the thread does; and how often its handler must have been called if it could, by values and last deliveries. */
const CALLS: readonly (readonly [
  string,
  (me: Member, world: World) => void,
  (seen: Seen) => unknown,
  unknown,
])[] = [
  ['post of an item', (me) => void postItem(me, 0, 7), ({ values }) => values, 7],
  [
    'post to a user event that counts',
    ({ memory, strands }, { source }) =>
      new UserEvent(memory, strands, source, memory.slots.generation(source)).post(),
    ({ values }) => values,
    1,
  ],
  [
    'trigger of a user event',
    ({ memory, strands }, { source }) =>
      new Registration(memory, strands, source, memory.slots.generation(source)).trigger(1),
    ({ values }) => values,
    1,
  ],
  [
    'teardown of a user event',
    ({ memory, strands }, { source }) =>
      new Registration(memory, strands, source, memory.slots.generation(source)).force(1),
    ({ lasts }) => lasts,
    1,
  ],
  [
    'start of a timer',
    (me) => void openTimer(me, { handler: 'raw', everyMs: 1000 }, ENTRIES),
    ({ calls }) => calls,
    0,
  ],
  [
    'registration of a descriptor',
    (me, { fd }) => {
      addDescriptor({ ...me, entries: ENTRIES, reserved: new Set() }, fd, { handler: 'raw' });
    },
    ({ values }) => values,
    0,
  ],
  [
    'registration that the kernel refuses',
    (me, { pool }) => {
      const { native } = pool;
      const file = native.duplicate(pool.epoll, 30);
      try {
        addDescriptor({ ...me, entries: ENTRIES, reserved: new Set() }, file, { handler: 'raw' });
      } catch (error) {
        if (error instanceof Vanished) throw error;
      }
    },
    ({ values }) => values,
    0,
  ],
];

describe.each(CALLS)('a %s', (_, call, tell, whole) => {
  test('that is broken off anywhere leaves nothing behind', () => {
    let done = false;
    for (let at = 1; !done; at++) {
      expect(at).toBeLessThan(MOST_CALLS);
      const world = makeWorld();
      const { pool, fd } = world;
      const { memory, native, dispatcher } = pool;
      const closed: unknown[] = [];
      dispatcher.lot.announce(SLEEPER, ParkState.SLEEPS_FUTEX);
      const me = attached(pool, at);
      try {
        call(me, world);
        done = true;
      } catch (error) {
        if (!(error instanceof Vanished)) throw error;
      }
      native.onCall = (name) => {
        if (name === 'close') closed.push(name);
      };
      // Nobody has a handle of what it was registering; an item is whole as soon as its value is there.
      const indexes = Array.from({ length: memory.layout.slotCount }, (_slot, index) => index);
      const unfinished = indexes.filter(
        (index) =>
          ownerOf(memory.slots.word(index)) === ME && kindOf(memory.records.config(index)) !== Kind.ITEM,
      );
      reapAttached(dispatcher, ME, ALIVE);
      // Whoever owes something to the sleeper: it was woken if there is work.
      if (dispatcher.hasWork()) expect(dispatcher.lot.stateOf(SLEEPER)).toBe(ParkState.NOTIFIED);
      expect(memory.port.load(Word.BUFFER_LOCK)).toBe(0);
      dispatcher.stopSearching();
      const seen = world.run();
      // All or nothing.
      expect([0, whole]).toContain(tell(seen));
      if (done) expect(tell(seen)).toBe(whole);
      // The file was the app's.
      expect(closed).toEqual([]);
      expect(native.statusFlags(fd)).toBeGreaterThanOrEqual(0);
      const left = indexes.filter((index) => memory.slots.state(index) !== State.FREE);
      expect(left.filter((index) => ownerOf(memory.slots.word(index)) !== NO_OWNER)).toEqual([]);
      expect(left.filter((index) => unfinished.includes(index))).toEqual([]);
      expect(left.filter((index) => kindOf(memory.records.config(index)) === Kind.ITEM)).toEqual([]);
      expect(memory.census.registered).toBe(left.length);
    }
  });
});

test('a listener of sticky connections is left alone, whichever of them ends', () => {
  const { pool } = makeWorld();
  const { memory, native } = pool;
  const listener = native.eventfd();
  armed(pool, listener, { ...rawFd, kind: Kind.LISTENER, traits: homeTrait(HOME_OF_EACH) });
  for (let owner = ME; owner < Owner.SUPERVISOR; owner++) reapAttached(pool.dispatcher, owner, ALIVE);
  expect(homeOf(memory.records.config(listener))).toBe(HOME_OF_EACH);
  expect(memory.slots.state(listener)).toBe(State.ARMED);
});

test('a lock that it held is free, and a search that it had begun is over', () => {
  const { pool } = makeWorld();
  const { memory, dispatcher } = pool;
  memory.port.store(Word.BUFFER_LOCK, ME);
  memory.port.store(Word.SEARCHER, 1);
  reapAttached(dispatcher, ME, ALIVE);
  expect(memory.port.load(Word.BUFFER_LOCK)).toBe(0);
  expect(memory.port.load(Word.SEARCHER)).toBe(0);
});
