/** Turns of a connection that is being established, over the fake kernel: what comes too early, or for nothing. Scenario 86. */
import { beforeEach, expect, test } from 'vitest';
import { Errno, type SocketAddress } from '../../src/native/index.ts';
import { Kind } from '../../src/slots/record.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import { beginConnect, resolveConnect } from '../../src/sources/connect.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import type { ConnectionHandlers } from '../../src/sources/handlers.ts';
import type { WorkerContext } from '../../src/sources/context.ts';
import { contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';

const ADDRESS: SocketAddress = { family: 'IPv4', address: '127.0.0.1', port: 80 };

let pool: FakePool;
let context: WorkerContext;
let calls: string[];
let source: ConnectionSource;
let listener: number;

const noting: ConnectionHandlers = {
  open: () => void calls.push('open'),
  error: (_, error) => void calls.push(`error ${(error as { code?: string }).code}`),
  close: (_, reason) => void calls.push(`close ${reason.type}`),
};

beforeEach(() => {
  pool = makeFakePool();
  calls = [];
  context = contextOf(pool, [noting]).context;
  source = new ConnectionSource(context);
  listener = pool.native.socketStream('IPv4');
  pool.native.bind(listener, ADDRESS);
});

/** Connects where the only place in the backlog is taken: it is not answered until `answer`. */
function unanswered(timeoutMs = 10_000): number {
  pool.native.listen(listener, 0);
  pool.native.client(ADDRESS);
  return connect(timeoutMs);
}

function connect(timeoutMs = 10_000): number {
  const entries = [{ name: 'noting', kind: Kind.CONNECTION }] as const;
  const resolved = resolveConnect({ port: 80, handler: 'noting', timeoutMs }, entries);
  return beginConnect(context, ADDRESS, resolved).fd;
}

const answer = (): number => pool.native.accept(listener);

/** Reports these bits; the turn that they bring, if they do. */
function report(fd: number, bits: number): void {
  pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), bits);
  const claimed = pool.memory.slots.claim(fd, pool.memory.me);
  if (claimed !== 0) source.turn(fd, claimed);
}

test('a writability that comes for nothing is no success, and the next one is looked at again', () => {
  const fd = unanswered();
  report(fd, Ready.OUT);
  report(fd, Ready.OUT | Ready.HUP);
  report(fd, Ready.OUT);
  expect(calls).toEqual([]);
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  answer();
  report(fd, Ready.OUT);
  expect(calls).toEqual(['open']);
});

test('an error is told with its name, whatever bit it came with', () => {
  const fd = connect();
  report(fd, Ready.OUT);
  expect(calls).toEqual(['error ECONNREFUSED', 'close error']);
  expect(pool.memory.slots.state(fd)).toBe(State.FREE);
  expect(pool.native.openFds).not.toContain(fd);
});

test('what connect() returns at once is told in a turn, not thrown', () => {
  pool.native.failNext('connect', Errno.ENETUNREACH);
  const fd = connect();
  expect(calls).toEqual([]);
  report(fd, 0);
  expect(calls).toEqual(['error ENETUNREACH', 'close error']);
});

test('while it is disabled nothing is told; enabled, it is looked at again', () => {
  const fd = connect();
  const generation = pool.memory.slots.generation(fd);
  pool.memory.records.disable(fd, generation);
  pool.memory.slots.request(fd, generation, Flag.CONTROL);
  report(fd, Ready.OUT | Ready.ERR);
  expect(calls).toEqual([]);
  expect(pool.memory.slots.state(fd)).toBe(State.DISABLED);
  pool.memory.records.enable(fd, generation);
  pool.memory.slots.request(fd, generation, Flag.CONTROL);
  report(fd, 0);
  expect(calls).toEqual(['error ECONNREFUSED', 'close error']);
});

test('without a descriptor it throws, and leaves nothing', () => {
  const open = pool.native.openFds.length;
  pool.native.failNext('socketStream', Errno.EMFILE);
  expect(() => connect()).toThrow(expect.objectContaining({ code: 'EMFILE', syscall: 'socket' }));
  pool.native.failNext('epollControl', Errno.ENOSPC);
  expect(() => connect()).toThrow(expect.objectContaining({ code: 'ERR_WAKEONE_WATCH_LIMIT' }));
  expect(pool.native.openFds).toHaveLength(open);
});
