/** What the reaper makes of the memory that a dead worker has left, over the fake kernel (G9). */
import { beforeEach, describe, expect, test } from 'vitest';
import { MonitorState } from '../../src/reactor/dispatcher.ts';
import { Config, Owner, SlotWord, Word } from '../../src/slots/layout.ts';
import { Kind, Trait } from '../../src/slots/record.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import { reap } from '../../src/supervision/reaper.ts';
import { armed, connectionFd, type FakePool, makeFakePool, rawFd, takeAll } from '../fake-pool.ts';

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

test('the alarm of the monitor is set, which a dead worker may only have meant to', () => {
  pool.memory.port.store(Word.MONITOR, MonitorState.AWAKE);
  const set: unknown[] = [];
  pool.native.onCall = (call, timer) => {
    if (call === 'setTimer') set.push(timer);
  };
  reap(pool.dispatcher, DEAD, ALIVE);
  expect(set).toEqual([pool.memory.config(Word.MONITOR_TIMER)]);
});

test('a user event whose worker died in its last handler touches no descriptor of that number', () => {
  const small = makeFakePool({ maxFds: 4, config: { [Config.MAX_SOURCES]: 8 } });
  const { native } = small;
  const { memory, strands, registrar } = small.member(DEAD);
  const source = registrar.registerSource({ ...rawFd, kind: Kind.EVENT });
  // The pool's own descriptors come first: this is the number of the one that wakes the poller.
  expect(source).toBe(small.wake);
  strands.finish(source, 0, 0, false);
  memory.slots.request(source, 0, Flag.FORCED);
  memory.slots.claim(source, Owner.FIRST_WORKER + DEAD);
  strands.beginEnd(source);
  let calls = 0;
  native.onCall = (call) => {
    if (call === 'epollControl' || call === 'close') calls++;
  };
  reap(small.dispatcher, DEAD, ALIVE);
  expect(calls).toBe(0);
  expect(memory.slots.state(source)).toBe(State.FREE);
});

describe('a connection whose worker died while it ended', () => {
  const MOVING = 1;
  let listener: number;
  let other: number;
  let fd: number;

  beforeEach(() => {
    listener = pool.native.eventfd();
    const generation = armed(pool, listener, { ...rawFd, kind: Kind.LISTENER, traits: Trait.OWN });
    const family = { ...connectionFd, listener: { index: listener, generation } };
    other = pool.native.eventfd();
    fd = pool.native.eventfd();
    for (const each of [other, fd]) {
      pool.member(DEAD).registrar.register(each, family);
      pool.member(DEAD).strands.finish(each, 0, 0, false);
    }
    pool.memory.slots.deliver(fd, 0, Ready.IN);
    pool.memory.slots.claim(fd, Owner.FIRST_WORKER + DEAD);
    pool.member(DEAD).strands.beginEnd(fd);
  });

  const census = (): number => pool.memory.layout.slot(fd) + SlotWord.CENSUS;
  const family = (): number => pool.memory.layout.slot(listener) + SlotWord.FAMILY;
  const none = (): void => {};
  const moving = (): void => pool.memory.port.store(census(), MOVING);
  const connections = (): void => void pool.memory.port.add(family(), -1);
  const registered = (): void => void pool.memory.port.add(Word.REGISTERED, -1);
  const both = (): void => void pool.memory.census.leave(fd);

  test.each<[string, () => void]>([
    ['before it was counted out', none],
    ['when that had begun', moving],
    ['when its listener knew', () => (moving(), connections())],
    ['when all knew', () => (moving(), connections(), registered())],
    ['after it', both],
    [
      'when its generation was over',
      () => {
        both();
        pool.memory.slots.endGeneration(fd);
      },
    ],
  ])('%s is counted out once, and closed', (_, died) => {
    died();
    reap(pool.dispatcher, DEAD, ALIVE);
    expect(pool.memory.census.registered).toBe(2);
    expect(pool.memory.records.connections(listener)).toBe(1);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
    expect(pool.native.openFds).not.toContain(fd);
    expect(pool.memory.slots.state(other)).toBe(State.ARMED);
  });

  test('and was followed on its number by another is not counted out again', () => {
    const { memory, native } = pool;
    both();
    memory.slots.endGeneration(fd);
    native.close(fd);
    expect(native.eventfd()).toBe(fd);
    expect(pool.registrar.adopt(fd, connectionFd)).toBe(fd);
    reap(pool.dispatcher, DEAD, ALIVE);
    expect(memory.census.registered).toBe(3);
    expect(memory.slots.ownerOf(fd, 1)).toBe(memory.me);
    expect(native.openFds).toContain(fd);
  });
});
