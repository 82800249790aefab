/**
 * Turns of a listening socket over the fake kernel: the budget, errors of accept4 that pass, and falling silent without
 * room. Scenarios 79, 80, 81 for the turn alone.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Errno, type SocketAddress } from '../../src/native/index.ts';
import { Counter, Word } from '../../src/slots/layout.ts';
import { PoolPhase } from '../../src/slots/memory.ts';
import { Cause, causeOf, Kind, Trait } from '../../src/slots/record.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import type { ConnectionHandlers } from '../../src/sources/handlers.ts';
import { ListenerSource } from '../../src/sources/listener.ts';
import { armed, contextOf, type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

const BUDGET = 64;
const RETRY_MS = 100;

let pool: FakePool;
let source: ListenerSource;
let connections: ConnectionSource;
let listener: number;
let address: SocketAddress;
let starved: { fd: number; errno: number }[];
let opened: number[];
let closed: number[];

function openListener(traits: number, maxConnections: number): void {
  const { native } = pool;
  listener = native.socketStream('IPv4');
  native.bind(listener, { family: 'IPv4', address: '127.0.0.1', port: 0 });
  native.listen(listener, 511);
  address = native.localAddress(listener) as SocketAddress;
  const cookie = BigInt(maxConnections);
  armed(pool, listener, {
    handler: 0,
    kind: Kind.LISTENER,
    traits: Trait.OWN | traits,
    events: Ready.IN,
    cookie,
  });
}

function listen(traits: number, maxConnections = 0): void {
  pool = makeFakePool({ maxFds: 512, ringSize: 1024, native: { maxOpenFiles: 512 } });
  openListener(traits, maxConnections);
  starved = [];
  opened = [];
  closed = [];
  const handlers: ConnectionHandlers = {
    open: (connection) => void opened.push(connection.fd),
    close: (connection) => void closed.push(connection.fd),
  };
  const { context } = contextOf(pool, [handlers]);
  connections = new ConnectionSource(context);
  source = new ListenerSource(context, connections, (fd, errno) => {
    starved.push({ fd, errno });
  });
}

/** Clients; their numbers are closed at once, or kept. */
function connect(count: number): number[] {
  return Array.from({ length: count }, () => pool.native.client(address));
}

/** One turn of the listener, as a worker would run it after an event of the kernel. */
function turn(bits: number = Ready.IN): void {
  const { slots, me } = pool.memory;
  slots.deliver(listener, slots.generation(listener), bits);
  const claimed = slots.claim(listener, me);
  expect(claimed).not.toBe(0);
  takeAll(pool);
  source.turn(listener, claimed);
}

/** A turn of the listener that somebody has asked for. */
function askedTurn(): void {
  const claimed = pool.memory.slots.claim(listener, pool.memory.me);
  expect(claimed).not.toBe(0);
  source.turn(listener, claimed);
}

/** Ends an open connection from our side, or the listener. */
function end(fd: number): void {
  const { slots, records, me } = pool.memory;
  const generation = slots.generation(fd);
  records.giveReason(fd, generation, Cause.TEARDOWN, 0);
  slots.request(fd, generation, Flag.FORCED);
  const claimed = slots.claim(fd, me);
  if (fd === listener) source.turn(fd, claimed);
  else connections.turn(fd, claimed);
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe.each([
  ['edge', Trait.EDGE],
  ['oneshot', 0],
])('%s', (_, traits) => {
  beforeEach(() => {
    listen(traits);
  });

  test('accepts all that wait, and is armed again', () => {
    connect(5);
    turn();
    expect(opened).toHaveLength(5);
    expect(pool.counted(Counter.ACCEPTED)).toBe(5);
    expect(pool.memory.records.connections(listener)).toBe(5);
    expect(pool.memory.slots.state(listener)).toBe(State.ARMED);
    expect(starved).toEqual([]);
  });

  test('accepts nothing when nobody waits any more', () => {
    turn();
    expect(opened).toEqual([]);
    expect(pool.memory.slots.state(listener)).toBe(State.ARMED);
  });

  test('stops after its budget and comes again', () => {
    connect(BUDGET + 10);
    turn();
    expect(opened).toHaveLength(BUDGET);
    if (traits === Trait.EDGE) {
      expect(takeAll(pool)).toContain(listener + 1);
      askedTurn();
    } else {
      // The re-arm tests the condition: the kernel reports it again.
      turn();
    }
    expect(opened).toHaveLength(BUDGET + 10);
  });

  test.each([
    ['ECONNABORTED', Errno.ECONNABORTED],
    ['EINTR', Errno.EINTR],
    ['EPROTO', Errno.EPROTO],
    ['ENETDOWN', Errno.ENETDOWN],
  ])('%s concerns one connection: the next is accepted', (__, errno) => {
    connect(2);
    pool.native.failNext('accept', errno);
    turn();
    expect(opened).toHaveLength(2);
    expect(starved).toEqual([]);
  });

  test('accept errors that do not end do not hold the worker for ever', () => {
    pool.native.failNext('accept', ...Array.from({ length: 10 * BUDGET }, () => Errno.ECONNABORTED));
    turn();
    expect(opened).toEqual([]);
  });

  test.each([
    ['EMFILE', Errno.EMFILE],
    ['ENFILE', Errno.ENFILE],
    ['ENOMEM', Errno.ENOMEM],
    ['ENOBUFS', Errno.ENOBUFS],
  ])('%s: silent, tells it, and looks again after a while', (__, errno) => {
    connect(1);
    pool.native.failNext('accept', errno);
    turn();
    expect(starved).toEqual([{ fd: listener, errno }]);
    expect(pool.memory.slots.state(listener)).toBe(State.DISABLED);
    expect(takeAll(pool)).toEqual([]);
    vi.advanceTimersByTime(RETRY_MS);
    expect(takeAll(pool)).toEqual([listener + 1]);
    askedTurn();
    expect(opened).toHaveLength(1);
    expect(pool.memory.slots.state(listener)).toBe(State.ARMED);
  });

  test('while descriptors lack there is one look per retry, and service resumes by itself', () => {
    connect(3);
    pool.native.maxOpenFiles = pool.native.openFds.length + 3;
    const accepts: string[] = [];
    pool.native.onCall = (call) => {
      if (call === 'accept') accepts.push(call);
    };
    turn();
    for (let retry = 0; retry < 5; retry++) {
      vi.advanceTimersByTime(RETRY_MS);
      askedTurn();
    }
    expect(accepts).toHaveLength(6);
    expect(opened).toEqual([]);
    pool.native.maxOpenFiles = 512;
    vi.advanceTimersByTime(RETRY_MS);
    askedTurn();
    expect(opened).toHaveLength(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a new listener of the same number is retried, whatever waits for the old one', () => {
    connect(1);
    pool.native.failNext('accept', Errno.EMFILE);
    turn();
    vi.advanceTimersByTime(RETRY_MS / 2);
    const before = listener;
    end(listener);
    openListener(traits, 0);
    expect(listener).toBe(before);
    connect(1);
    pool.native.failNext('accept', Errno.EMFILE);
    turn();
    vi.advanceTimersByTime(RETRY_MS / 2);
    expect(takeAll(pool)).toEqual([]);
    vi.advanceTimersByTime(RETRY_MS / 2);
    expect(takeAll(pool)).toEqual([listener + 1]);
    askedTurn();
    expect(opened).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('the end of one of its connections is a reason to look again', () => {
    connect(2);
    turn();
    pool.native.failNext('accept', Errno.EMFILE);
    connect(1);
    turn();
    expect(opened).toHaveLength(2);
    const [first = -1] = opened;
    takeAll(pool);
    end(first);
    expect(closed).toEqual([first]);
    expect(takeAll(pool)).toContain(listener + 1);
    askedTurn();
    expect(opened).toHaveLength(3);
  });

  test('a connection that cannot be registered is closed and the others are served', () => {
    connect(2);
    const before = pool.native.openFds.length;
    let adds = 0;
    pool.native.onCall = (call) => {
      if (call === 'epollControl' && adds++ === 0) pool.native.failNext('epollControl', Errno.ENOSPC);
    };
    turn();
    expect(opened).toHaveLength(1);
    expect(pool.native.openFds).toHaveLength(before + 1);
    expect(pool.memory.records.connections(listener)).toBe(1);
    expect(starved).toEqual([{ fd: listener, errno: Errno.ENOSPC }]);
  });

  test('a disabled listener accepts nobody', () => {
    const { records, slots } = pool.memory;
    connect(1);
    records.disable(listener, slots.generation(listener));
    turn();
    expect(opened).toEqual([]);
    expect(slots.state(listener)).toBe(State.DISABLED);
    records.enable(listener, slots.generation(listener));
    slots.request(listener, slots.generation(listener), Flag.CONTROL);
    askedTurn();
    expect(opened).toHaveLength(1);
  });

  test('forced: its descriptor is closed, those who wait are not accepted', () => {
    connect(1);
    const { slots, records } = pool.memory;
    records.giveReason(listener, slots.generation(listener), Cause.TEARDOWN, 0);
    slots.request(listener, slots.generation(listener), Flag.FORCED);
    askedTurn();
    expect(opened).toEqual([]);
    expect(slots.state(listener)).toBe(State.FREE);
    expect(pool.native.openFds).not.toContain(listener);
  });

  test('its connections inherit how they are delivered', () => {
    connect(1);
    turn();
    const [fd = -1] = opened;
    expect(pool.memory.records.config(fd) & Trait.EDGE).toBe(traits);
    expect(pool.memory.records.config(fd) & (Trait.OWN | Trait.STREAM)).toBe(Trait.OWN | Trait.STREAM);
  });
});

describe('maxConnections', () => {
  beforeEach(() => {
    listen(Trait.EDGE, 2);
  });

  test('that many are accepted, the others wait in the backlog', () => {
    connect(5);
    turn();
    expect(opened).toHaveLength(2);
    expect(pool.memory.slots.state(listener)).toBe(State.DISABLED);
    expect(starved).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('each one that ends lets one in', () => {
    connect(5);
    turn();
    for (let n = 0; n < 3; n++) {
      takeAll(pool);
      end(opened[n] ?? -1);
      expect(takeAll(pool)).toContain(listener + 1);
      askedTurn();
      expect(opened).toHaveLength(3 + n);
      expect(pool.memory.records.connections(listener)).toBe(2);
    }
  });

  test('a new connection while it is full wakes nobody', () => {
    connect(2);
    turn();
    connect(1);
    const { slots } = pool.memory;
    if (slots.state(listener) === State.ARMED) turn();
    connect(1);
    slots.deliver(listener, slots.generation(listener), Ready.IN);
    expect(slots.state(listener)).toBe(State.DISABLED);
    expect(takeAll(pool)).toEqual([]);
  });
});

describe('a connection that is accepted behind the sweep of a pool that', () => {
  test.each([
    ['drains', PoolPhase.DRAINING, Cause.POOL_CLOSE],
    ['is destroyed', PoolPhase.DESTROYING, Cause.POOL_DESTROY],
  ])('%s is ended as that would have', (_name, phase, cause) => {
    listen(Trait.EDGE);
    pool.memory.port.store(Word.PHASE, phase);
    connect(1);
    turn();
    const [index = -1] = opened;
    expect(causeOf(pool.memory.records.reason(index))).toBe(cause);
    expect(pool.memory.slots.state(index)).toBe(State.QUEUED);
  });
});
