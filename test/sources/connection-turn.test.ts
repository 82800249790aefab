/**
 * Reads, writes and buffers of one connection over the fake kernel: what the kernel takes in part, or not at all, or
 * after a signal. Scenarios 16, 64, 82, 84, 91 for the turn alone.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Errno, Shutdown } from '../../src/native/index.ts';
import { Config } from '../../src/slots/layout.ts';
import { Phase, Trait } from '../../src/slots/record.ts';
import { pack, Ready, State } from '../../src/slots/word.ts';
import { ConnectionTurn } from '../../src/sources/connection-turn.ts';
import { READ_BYTES } from '../../src/sources/context.ts';
import { connectionFd, contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';

const CAPACITY = 1000;
const HIGH_WATER = 3000;
const MAX_OUTPUT = 10_000;
const MAX_INPUT = 5000;

let pool: FakePool;
let turn: ConnectionTurn;
let fd: number;
let peer: number;

function open(capacity: number, traits: number = connectionFd.traits): void {
  pool = makeFakePool({
    native: { capacity },
    config: {
      [Config.HIGH_WATER_MARK]: HIGH_WATER,
      [Config.MAX_OUTPUT]: MAX_OUTPUT,
      [Config.MAX_INPUT]: MAX_INPUT,
    },
  });
  [fd, peer] = pool.native.socketPair();
  pool.registrar.register(fd, { ...connectionFd, traits });
  turn = new ConnectionTurn(contextOf(pool, [{}]).context);
  begin(0);
}

/** Begins a turn that was claimed with these ready bits. */
function begin(bits: number): void {
  turn.begin(fd, pack(0, 0, 0, bits, State.QUEUED));
}

function peerWrites(bytes: Uint8Array | string): number {
  const region = pool.native.memory(bytes.length);
  region.bytes.set(Buffer.from(bytes));
  return pool.native.write(peer, region.address, bytes.length);
}

function peerReads(most = READ_BYTES): Buffer {
  const region = pool.native.memory(most);
  const count = pool.native.read(peer, region.address, most);
  return Buffer.from(region.bytes.slice(0, Math.max(0, count)));
}

const pattern = (length: number, from = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251));

beforeEach(() => {
  open(CAPACITY);
});

describe('reading', () => {
  test('new input is seen in place', () => {
    peerWrites('hello');
    begin(Ready.IN);
    expect(turn.read()).toBe(true);
    expect(turn.input.toString()).toBe('hello');
    expect(turn.inputLength).toBe(5);
    turn.consume(2);
    expect(turn.input.toString()).toBe('llo');
    turn.consume(100);
    expect(turn.inputLength).toBe(0);
  });

  test('a short read of a stream socket means that nothing more is there', () => {
    peerWrites('hello');
    begin(Ready.IN);
    turn.read();
    expect(turn.bits & Ready.IN).toBe(0);
  });

  test.each([
    ['PRI', Ready.PRI],
    ['RDHUP', Ready.RDHUP],
    ['HUP', Ready.HUP],
    ['ERR', Ready.ERR],
  ])('but not when %s says that more than data is behind it', (_, bit) => {
    peerWrites('hello');
    begin(Ready.IN | bit);
    turn.read();
    expect(turn.bits & Ready.IN).toBe(Ready.IN);
  });

  test('nor on a descriptor that may read short with more to come', () => {
    open(CAPACITY, Trait.EDGE);
    peerWrites('hello');
    begin(Ready.IN);
    turn.read();
    expect(turn.bits & Ready.IN).toBe(Ready.IN);
  });

  test('a full read leaves the direction ready', () => {
    open(READ_BYTES + 10);
    pool.memory.words[Config.MAX_INPUT] = 1 << 20;
    peerWrites(pattern(READ_BYTES + 10));
    begin(Ready.IN);
    expect(turn.read()).toBe(true);
    expect(turn.bits & Ready.IN).toBe(Ready.IN);
    turn.consume(READ_BYTES);
    expect(turn.read()).toBe(true);
    expect(turn.input).toEqual(pattern(10, READ_BYTES));
    expect(turn.bits & Ready.IN).toBe(0);
  });

  test('EAGAIN: nothing was there after all', () => {
    begin(Ready.IN | Ready.OUT);
    expect(turn.read()).toBe(false);
    expect(turn.bits).toBe(Ready.OUT);
    expect(turn.failure).toBeUndefined();
  });

  test('a signal ends the read, not the readiness', () => {
    peerWrites('x');
    pool.native.failNext('receive', Errno.EINTR);
    begin(Ready.IN);
    expect(turn.read()).toBe(false);
    expect(turn.bits & Ready.IN).toBe(Ready.IN);
    expect(turn.failure).toBeUndefined();
    expect(turn.read()).toBe(true);
  });

  test('the end of the peer is found once, behind its data', () => {
    peerWrites('last');
    pool.native.shutdown(peer, Shutdown.WRITE);
    begin(Ready.IN | Ready.RDHUP);
    expect(turn.read()).toBe(true);
    expect(turn.input.toString()).toBe('last');
    expect(turn.has(Phase.PEER_ENDED)).toBe(false);
    expect(turn.read()).toBe(false);
    expect(turn.has(Phase.PEER_ENDED)).toBe(true);
    expect(turn.reading).toBe(false);
    expect(turn.input.toString()).toBe('last');
  });

  test('a failed read is the failure, with its system call', () => {
    pool.native.failNext('receive', Errno.ECONNRESET);
    begin(Ready.IN | Ready.ERR);
    expect(turn.read()).toBe(false);
    expect(turn.failure).toMatchObject({ thrown: false, error: { code: 'ECONNRESET', syscall: 'read', fd } });
    expect(turn.bits).toBe(0);
  });

  test('a view of the input is never that of earlier input', () => {
    begin(Ready.IN);
    for (const text of ['one', 'two', 'three', 'six', '']) {
      if (text !== '') peerWrites(text);
      expect(turn.read()).toBe(text !== '');
      expect(turn.input.toString()).toBe(text);
      turn.consume(1);
      expect(turn.input.toString()).toBe(text.slice(1));
      turn.consume(text.length);
      expect(turn.input).toHaveLength(0);
    }
  });

  test('an unread rest comes before newer input', () => {
    peerWrites('first ');
    begin(Ready.IN);
    turn.read();
    turn.consume(2);
    peerWrites('second');
    expect(turn.read()).toBe(true);
    expect(turn.input.toString()).toBe('rst second');
    turn.consume(4);
    expect(turn.input.toString()).toBe('second');
  });

  test('an unread rest is there in the next turn, in another worker', () => {
    peerWrites('for later');
    begin(Ready.IN);
    turn.read();
    turn.consume(4);
    turn.save();
    const other = new ConnectionTurn(contextOf(pool, [{}]).context);
    other.begin(fd, 0);
    expect(other.input.toString()).toBe('later');
    other.consume(5);
    other.save();
    expect(pool.memory.data.lentBytes()).toBe(0);
  });

  test('more unread input than maxInput ends the connection', () => {
    open(MAX_INPUT + 1000);
    peerWrites(pattern(MAX_INPUT));
    begin(Ready.IN);
    expect(turn.read()).toBe(true);
    turn.keepInput();
    expect(turn.closing).toBeUndefined();
    peerWrites('x');
    expect(turn.read()).toBe(false);
    expect(turn.closing).toEqual({ type: 'input-overflow' });
  });

  test('no buffer memory for unread input ends the connection too', () => {
    const { data } = pool.memory;
    while (data.append(0, new Uint8Array(100_000)) !== undefined);
    while (data.append(0, new Uint8Array(10)) !== undefined);
    peerWrites('x');
    begin(Ready.IN);
    turn.read();
    turn.keepInput();
    expect(turn.closing).toEqual({ type: 'input-overflow' });
  });
});

describe('writing', () => {
  test('what the kernel takes at once is not kept', () => {
    begin(Ready.OUT);
    expect(turn.write('hello')).toBe(true);
    expect(turn.hasOutput).toBe(false);
    expect(peerReads().toString()).toBe('hello');
    expect(turn.bits & Ready.OUT).toBe(Ready.OUT);
  });

  test('nothing is written for nothing', () => {
    const calls: string[] = [];
    pool.native.onCall = (call) => calls.push(call);
    expect(turn.write('')).toBe(true);
    expect(turn.write(new Uint8Array(0))).toBe(true);
    expect(calls).toEqual([]);
  });

  test('the rest of a short write is kept, and OUT is awaited', () => {
    begin(Ready.OUT);
    expect(turn.write(pattern(1500))).toBe(true);
    expect(turn.outputLength).toBe(500);
    expect(turn.bits & Ready.OUT).toBe(0);
    expect(peerReads()).toEqual(pattern(1000));
    turn.flush();
    expect(turn.hasOutput).toBe(false);
    expect(peerReads()).toEqual(pattern(500, 1000));
  });

  test('while output waits, more goes behind it and not to the kernel', () => {
    turn.write(pattern(1100));
    peerReads();
    const calls: string[] = [];
    pool.native.onCall = (call) => calls.push(call);
    turn.write(pattern(50, 1100));
    expect(calls).toEqual([]);
    turn.flush();
    expect(peerReads()).toEqual(pattern(150, 1000));
  });

  test('a signal is no failure: the write is made again', () => {
    pool.native.failNext('send', Errno.EINTR, Errno.EINTR);
    expect(turn.write('hello')).toBe(true);
    expect(peerReads().toString()).toBe('hello');
  });

  test('EAGAIN keeps everything', () => {
    pool.native.failNext('send', Errno.EAGAIN);
    begin(Ready.OUT);
    turn.write('hello');
    expect(turn.outputLength).toBe(5);
    expect(turn.bits & Ready.OUT).toBe(0);
    expect(peerReads()).toHaveLength(0);
  });

  test('a failed write is the failure, and nothing more is sent or kept', () => {
    pool.native.close(peer);
    expect(turn.write('hello')).toBe(false);
    expect(turn.failure).toMatchObject({ thrown: false, error: { code: 'EPIPE', syscall: 'write', fd } });
    expect(turn.hasOutput).toBe(false);
    expect(turn.write('more')).toBe(false);
    expect(turn.hasOutput).toBe(false);
  });

  test('at the high-water mark write() says no, and input is not wanted', () => {
    expect(turn.write(pattern(CAPACITY + HIGH_WATER - 1))).toBe(true);
    expect(turn.has(Phase.ABOVE_MARK)).toBe(false);
    expect(turn.write('x')).toBe(false);
    expect(turn.outputLength).toBe(HIGH_WATER);
    expect(turn.has(Phase.ABOVE_MARK)).toBe(true);
    expect(turn.reading).toBe(false);
    expect(turn.write('')).toBe(false);
  });

  test('up to maxOutput is kept; more ends the connection', () => {
    turn.write(pattern(CAPACITY + MAX_OUTPUT));
    expect(turn.closing).toBeUndefined();
    expect(turn.outputLength).toBe(MAX_OUTPUT);
    expect(turn.write('x')).toBe(false);
    expect(turn.closing).toEqual({ type: 'output-overflow' });
    expect(turn.write('x')).toBe(false);
    expect(turn.outputLength).toBe(MAX_OUTPUT);
  });

  test('a chunk larger than the area that writes come from arrives whole', () => {
    open(3 * READ_BYTES);
    const bytes = pattern(2 * READ_BYTES + 77);
    expect(turn.write(bytes)).toBe(true);
    expect(peerReads(3 * READ_BYTES).equals(bytes)).toBe(true);
  });

  test('input is sent on from where it lies', () => {
    peerWrites('echo me');
    begin(Ready.IN | Ready.OUT);
    turn.read();
    const addresses: unknown[] = [];
    pool.native.onCall = (call, ...values) => {
      if (call === 'send') addresses.push(values[1]);
    };
    turn.write(turn.input.subarray(5));
    expect(peerReads().toString()).toBe('me');
    expect(addresses).toEqual([turn.context.input.region.address + 5]);
  });

  test('input that waits in the shared buffers is sent from there', () => {
    peerWrites('echo me');
    begin(Ready.IN | Ready.OUT);
    turn.read();
    turn.keepInput();
    const addresses: unknown[] = [];
    pool.native.onCall = (call, ...values) => {
      if (call === 'send') addresses.push(values[1]);
    };
    turn.write(turn.input);
    expect(peerReads().toString()).toBe('echo me');
    expect(addresses).toEqual([turn.context.dataAddress + turn.input.byteOffset]);
  });

  test('the bytes may be reused when write() returns', () => {
    pool.native.failNext('send', Errno.EAGAIN);
    const bytes = Buffer.from('keep this');
    turn.write(bytes);
    bytes.fill(0);
    turn.flush();
    expect(peerReads().toString()).toBe('keep this');
  });

  test('input that is echoed while output waits is kept as it was', () => {
    turn.write(pattern(CAPACITY));
    peerWrites('echo me');
    begin(Ready.IN);
    turn.read();
    turn.write(turn.input);
    turn.consume(7);
    peerWrites('overwrite the read area');
    turn.read();
    expect(peerReads()).toEqual(pattern(CAPACITY));
    turn.flush();
    expect(peerReads().toString()).toBe('echo me');
  });
});

test('a descriptor that may be no socket is read and written, not received and sent', () => {
  open(CAPACITY, Trait.EDGE);
  peerWrites('hello');
  const calls: string[] = [];
  pool.native.onCall = (call) => calls.push(call);
  begin(Ready.IN | Ready.OUT);
  expect(turn.read()).toBe(true);
  expect(turn.write('answer')).toBe(true);
  expect(calls).toEqual(['read', 'write']);
});

describe('flushing', () => {
  test('goes on until the kernel takes no more', () => {
    turn.write(pattern(3500));
    const received: Buffer[] = [];
    for (let round = 0; round < 10 && turn.hasOutput; round++) {
      received.push(peerReads(700));
      turn.flush();
    }
    received.push(peerReads());
    expect(Buffer.concat(received)).toEqual(pattern(3500));
  });

  test('what is kept is there in the next turn, in another worker', () => {
    turn.write(pattern(1800));
    turn.save();
    expect(peerReads()).toEqual(pattern(1000));
    const other = new ConnectionTurn(contextOf(pool, [{}]).context);
    other.begin(fd, 0);
    expect(other.outputLength).toBe(800);
    other.flush();
    expect(other.hasOutput).toBe(false);
    expect(peerReads()).toEqual(pattern(800, 1000));
    other.save();
    expect(pool.memory.data.lentBytes()).toBe(0);
  });

  test('a failure leaves the rest where it was, for the end to give back', () => {
    turn.write(pattern(1800));
    pool.native.close(peer);
    turn.flush();
    expect(turn.failure).toMatchObject({ error: { code: 'EPIPE' } });
    expect(turn.outputLength).toBe(800);
    turn.save();
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(pool.memory.data.lentBytes()).toBe(0);
  });

  test('short writes lose nothing', () => {
    pool.native.limitNext('send', 1, 2, 3, 0, 5);
    turn.write(pattern(100));
    for (let round = 0; round < 10 && turn.hasOutput; round++) turn.flush();
    expect(peerReads()).toEqual(pattern(100));
  });
});

describe('a pending error', () => {
  test('is taken from the socket and becomes the failure', () => {
    turn.write('unread');
    pool.native.close(peer);
    begin(Ready.ERR | Ready.HUP);
    peer = -1;
    pool.native.failNext('takeError', -Errno.ECONNRESET);
    turn.takeError();
    expect(turn.failure).toMatchObject({ thrown: false, error: { code: 'ECONNRESET' } });
  });

  test('is looked for when a read finds nothing under ERR', () => {
    pool.native.failNext('takeError', -Errno.ETIMEDOUT);
    begin(Ready.IN | Ready.ERR);
    expect(turn.read()).toBe(false);
    expect(turn.failure).toMatchObject({ error: { code: 'ETIMEDOUT' } });
  });

  test('of no error is no failure', () => {
    begin(Ready.ERR);
    turn.takeError();
    expect(turn.failure).toBeUndefined();
    expect(turn.bits).toBe(0);
  });
});
