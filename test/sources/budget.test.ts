/**
 * What one turn of a connection may do, over the fake kernel: bytes, and calls of a `data` that takes one message each; what
 * is left is the next turn's, and nothing is forgotten by a pause, backpressure or an end. Scenarios 69, 93 for the turn alone.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Config, Owner } from '../../src/slots/layout.ts';
import { Cause, Phase } from '../../src/slots/record.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import { type ConnectionHandlers, defineHandlers } from '../../src/sources/handlers.ts';
import { Registration } from '../../src/sources/registration.ts';
import { connectionFd, contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';

const HIGH_WATER = 8;
const MOST_TURNS = 100;

let pool: FakePool;
let fd: number;
let peer: number;
let calls: string[];
let source: ConnectionSource;

beforeEach(() => {
  pool = makeFakePool({ native: { capacity: 1 << 20 }, config: { [Config.HIGH_WATER_MARK]: HIGH_WATER } });
  [fd, peer] = pool.native.socketPair();
  calls = [];
});

function serve(handlers: ConnectionHandlers): void {
  source = new ConnectionSource(contextOf(pool, [handlers]).context);
  pool.registrar.register(fd, connectionFd);
  pool.memory.records.setPhase(fd, Phase.OPENED);
  pool.strands.finish(fd, 0, Ready.IN, false);
}

function peerWrites(text: string): void {
  const region = pool.native.memory(text.length);
  region.bytes.set(Buffer.from(text));
  pool.native.write(peer, region.address, text.length);
  pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), Ready.IN);
}

/** One turn, if the slot waits for one. Returns what was called in it. */
function turn(): string[] | undefined {
  const claimed = pool.memory.slots.claim(fd, pool.memory.me);
  if (claimed === 0) return undefined;
  const from = calls.length;
  source.turn(fd, claimed);
  return calls.slice(from);
}

/** Turns until it rests: the calls of each. */
function turns(): string[][] {
  const all: string[][] = [];
  for (let called = turn(); called !== undefined; called = turn()) {
    all.push(called);
    if (all.length > MOST_TURNS) throw new Error('it never rests');
  }
  return all;
}

/** Takes one message, a letter and a full stop; a letter alone is incomplete. */
const one: ConnectionHandlers = {
  maxMessagesPerTurn: 2,
  data(connection) {
    const whole = connection.inputLength >= 2;
    calls.push(whole ? connection.read(2).toString() : `part ${connection.input.toString()}`);
  },
  end: () => void calls.push('end'),
  drain: () => void calls.push('drain'),
  close: (_, reason) => void calls.push(`close ${reason.type}`),
};

describe('messages', () => {
  test('so many in a turn, the rest in those after it, in order', () => {
    serve(one);
    peerWrites('a.b.c.d.e.');
    expect(turns()).toEqual([['a.', 'b.'], ['c.', 'd.'], ['e.']]);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  });

  test('after its budget it goes to the tail: whoever waits comes first', () => {
    serve(one);
    peerWrites('a.b.c.');
    const other = pool.native.eventfd();
    pool.registrar.register(other, connectionFd);
    pool.dispatcher.push(other + 1);
    turn();
    expect(pool.dispatcher.take()).toBe(other + 1);
    expect(pool.dispatcher.take()).toBe(fd + 1);
  });

  test('a message that is incomplete is offered once, and with what comes', () => {
    serve(one);
    peerWrites('a.b');
    expect(turns()).toEqual([['a.', 'part b']]);
    peerWrites('.c');
    expect(turns()).toEqual([['b.', 'part c']]);
    expect(turns()).toEqual([]);
  });

  test('an incomplete one behind a spent budget is looked at in the next turn, which rests then', () => {
    serve(one);
    peerWrites('a.b.c');
    expect(turns()).toEqual([['a.', 'b.'], ['part c']]);
  });

  test('the end of the peer comes after its messages', () => {
    serve(one);
    peerWrites('a.b.c.');
    pool.native.close(peer);
    pool.memory.slots.deliver(fd, 0, Ready.IN | Ready.RDHUP | Ready.HUP);
    expect(turns().flat()).toEqual(['a.', 'b.', 'c.', 'end', 'close end']);
  });

  test('a pool that drains hands out the messages that have arrived', () => {
    serve({ ...one, maxMessagesPerTurn: 1 });
    peerWrites('a.b.c.');
    pool.memory.records.giveReason(fd, 0, Cause.POOL_CLOSE, 0);
    pool.memory.slots.request(fd, 0, Flag.FORCED);
    expect(turns()).toEqual([['a.'], ['b.'], ['c.']]);
    expect(pool.memory.records.phase(fd) & Phase.SHUT).not.toBe(0);
  });

  test('a teardown comes between two messages', () => {
    serve({
      ...one,
      data(connection) {
        calls.push(connection.read(2).toString());
        pool.memory.records.giveReason(fd, 0, Cause.TEARDOWN, 7);
        pool.memory.slots.request(fd, 0, Flag.FORCED);
      },
    });
    peerWrites('a.b.');
    expect(turns().flat()).toEqual(['a.', 'close teardown']);
  });

  test('backpressure holds the rest back, and the drain brings it', () => {
    serve({
      ...one,
      data(connection) {
        calls.push(connection.read(2).toString());
        connection.write('x'.repeat(1 << 20));
        connection.write('y'.repeat(HIGH_WATER));
      },
    });
    peerWrites('a.b.');
    expect(turns()).toEqual([['a.']]);
    const region = pool.native.memory(1 << 20);
    for (let read = 1; read > 0;) read = pool.native.read(peer, region.address, 1 << 20);
    pool.memory.slots.deliver(fd, 0, Ready.OUT);
    expect(turns()).toEqual([['drain'], ['b.']]);
  });

  test('a pause holds the rest back, and enable() brings it', () => {
    serve({
      ...one,
      data(connection) {
        calls.push(connection.read(2).toString());
        connection.pause();
      },
    });
    peerWrites('a.b.');
    expect(turns()).toEqual([['a.']]);
    new Registration(pool.memory, pool.strands, fd, 0).enable();
    expect(turns()).toEqual([['b.']]);
  });

  test('a pause that another handler ends brings the rest too', () => {
    serve({
      ...one,
      data(connection) {
        calls.push(connection.read(2).toString());
        connection.pause();
      },
      trigger: (connection) => connection.resume(),
    });
    peerWrites('a.b.');
    turns();
    new Registration(pool.memory, pool.strands, fd, 0).trigger(1);
    expect(turns().flat()).toEqual(['b.']);
  });

  test('an async one is called again in a turn of its own, until it takes nothing', async () => {
    serve({
      ...one,
      async data(connection) {
        await Promise.resolve();
        calls.push(connection.inputLength >= 2 ? connection.read(2).toString() : 'part');
      },
    });
    peerWrites('a.b.c');
    for (let round = 0; round < 10; round++) {
      turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(calls).toEqual(['a.', 'b.', 'part']);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  });

  test('without a budget `data` is called once for each read', () => {
    const { maxMessagesPerTurn: _, ...rest } = one;
    serve(rest);
    peerWrites('a.b.c.');
    expect(turns()).toEqual([['a.']]);
    expect(pool.memory.me).toBe(Owner.FIRST_WORKER);
  });
});

describe('bytes', () => {
  const reading = (maxBytesPerTurn?: number): ConnectionHandlers => ({
    ...(maxBytesPerTurn === undefined ? {} : { maxBytesPerTurn }),
    data: (connection) => void calls.push(`${connection.read().length}`),
  });

  test('so many in a turn', () => {
    serve(reading(100));
    peerWrites('x'.repeat(250));
    expect(turns()).toEqual([['100'], ['100'], ['50']]);
  });

  test('one read of 64 KiB if nothing is said', () => {
    serve(reading());
    peerWrites('x'.repeat(300 * 1024));
    expect(turns()).toEqual([['65536'], ['65536'], ['65536'], ['65536'], ['45056']]);
  });

  test('the last read of a turn takes what is left of them', () => {
    serve(reading(100_000));
    peerWrites('x'.repeat(150_000));
    expect(turns()).toEqual([['65536', '34464'], ['50000']]);
  });
});

describe('values that make no sense', () => {
  const data = (): void => {};

  test.each([0, -1, 0.5, NaN, Infinity, 2 ** 31, '1', null])('%s', (value) => {
    for (const name of ['maxBytesPerTurn', 'maxMessagesPerTurn']) {
      const handler = { data, [name]: value } as unknown as ConnectionHandlers;
      expect(() => defineHandlers({ echo: handler })).toThrow(
        expect.objectContaining({
          code: 'ERR_WAKEONE_INVALID_ARGUMENT',
          message: expect.stringContaining(`'echo.${name}' must be an integer from 1 to`) as unknown,
        }),
      );
    }
  });

  test('the smallest and the largest are fine', () => {
    for (const most of [1, 2 ** 20])
      defineHandlers({ echo: { data, maxBytesPerTurn: most, maxMessagesPerTurn: most } });
  });
});
