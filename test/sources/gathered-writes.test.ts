/**
 * Which writes of a handler leave in one system call, over the fake kernel; and that the bytes leave in the order of the
 * writes, whatever the kernel takes.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Config } from '../../src/slots/layout.ts';
import { Phase } from '../../src/slots/record.ts';
import { Ready } from '../../src/slots/word.ts';
import type { Connection } from '../../src/sources/connection.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import { READ_BYTES, type WorkerContext } from '../../src/sources/context.ts';
import type { ConnectionHandlers } from '../../src/sources/handlers.ts';
import { connectionFd, contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';
import { Random } from '../scenarios/support/random.ts';

const HIGH_WATER = 100_000;

let pool: FakePool;
let context: WorkerContext;
let fd: number;
let peer: number;
/** Lengths of the sends of `fd`. */
let sends: number[];

function open(capacity = 1 << 20): void {
  pool = makeFakePool({
    native: { capacity },
    config: { [Config.HIGH_WATER_MARK]: HIGH_WATER, [Config.MAX_OUTPUT]: 1 << 20 },
  });
  [fd, peer] = pool.native.socketPair();
  sends = [];
  pool.native.onCall = (call, number, _address, length) => {
    if (call === 'send' && number === fd) sends.push(Number(length));
  };
}

beforeEach(() => {
  open();
});

/** A turn of these handlers with input; more turns as long as one is owed. */
function run(handlers: ConnectionHandlers): ConnectionSource {
  const region = pool.native.memory(5);
  region.bytes.set(Buffer.from('input'));
  pool.native.write(peer, region.address, 5);
  pool.registrar.register(fd, connectionFd);
  pool.memory.records.setPhase(fd, Phase.OPENED);
  pool.strands.finish(fd, Ready.IN, Ready.IN, false);
  ({ context } = contextOf(pool, [handlers]));
  const source = new ConnectionSource(context);
  rest(source);
  return source;
}

function rest(source: ConnectionSource): void {
  for (let claimed = claim(); claimed !== 0; claimed = claim()) source.turn(fd, claimed);
}

const claim = (): number => pool.memory.slots.claim(fd, pool.memory.me);

function received(most = 1 << 20): Buffer {
  const region = pool.native.memory(most);
  const count = pool.native.read(peer, region.address, most);
  return Buffer.from(region.bytes.slice(0, Math.max(0, count)));
}

const inData = (data: (connection: Connection) => unknown): ConnectionHandlers => ({
  data(connection) {
    connection.consume();
    return data(connection) as undefined;
  },
});

describe('in one system call', () => {
  test('the writes of a handler, bytes and text', () => {
    run(
      inData((connection) => {
        for (let i = 0; i < 100; i++) connection.write(i % 2 === 0 ? `é${i},` : Buffer.from(`${i},`));
      }),
    );
    const expected = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? `é${i},` : `${i},`)).join('');
    expect(received().toString()).toBe(expected);
    expect(sends).toEqual([Buffer.byteLength(expected)]);
  });

  test('those of several calls of one turn', () => {
    const calls: string[] = [];
    run({
      maxMessagesPerTurn: 10,
      data(connection) {
        calls.push(connection.read(1).toString());
        connection.write(`<${calls.at(-1)}>`);
      },
    });
    expect(calls).toHaveLength(5);
    expect(received().toString()).toBe('<i><n><p><u><t>');
    expect(sends).toEqual([15]);
  });

  test.each<[string, (connection: Connection) => void, string]>([
    ['end()', (connection) => connection.end('!'), 'end'],
    ['destroy()', (connection) => connection.destroy(), 'destroyed'],
    ['teardown()', (connection) => connection.teardown(7), 'teardown'],
    ['detach()', (connection) => void connection.detach(), 'detached'],
    [
      'a throw',
      () => {
        throw new Error('thrown');
      },
      'error',
    ],
  ])('those before %s, which comes after them', (what, act) => {
    run({
      ...inData((connection) => {
        connection.write('one ');
        connection.write('two');
        act(connection);
      }),
      error() {},
    });
    expect(received().toString()).toBe(what === 'end()' ? 'one two!' : 'one two');
    expect(sends).toHaveLength(1);
    expect(context.gathering).toBeUndefined();
  });
});

describe('at once', () => {
  test('the input as it came', () => {
    run({
      data(connection) {
        connection.write(connection.input);
        expect(sends).toEqual([5]);
        connection.consume();
      },
    });
    expect(received().toString()).toBe('input');
  });

  test('what is large, behind what was written before', () => {
    const large = Buffer.alloc(20_000, 'L');
    run(
      inData((connection) => {
        connection.write('small');
        connection.write(large);
        expect(sends).toEqual([5, 20_000]);
        connection.write('tail');
      }),
    );
    expect(received().toString()).toBe(`small${large.toString()}tail`);
    expect(sends).toEqual([5, 20_000, 4]);
  });

  test('what flush() is called for', () => {
    run(
      inData((connection) => {
        connection.write('now');
        connection.flush();
        expect(sends).toEqual([3]);
        connection.flush();
        connection.write('later');
      }),
    );
    expect(sends).toEqual([3, 5]);
  });

  test('what is written when the area is full', () => {
    const chunk = Buffer.alloc(10_000, 'c');
    run(
      inData((connection) => {
        for (let i = 0; i < 9; i++) connection.write(chunk);
      }),
    );
    expect(received()).toHaveLength(90_000);
    expect(sends).toEqual([Math.floor(READ_BYTES / 10_000) * 10_000, 30_000]);
  });

  test('what an async handler writes after it has awaited', async () => {
    let settled = (): void => {};
    const done = new Promise<void>((resolve) => {
      settled = resolve;
    });
    run(
      inData(async (connection) => {
        connection.write('a');
        connection.write('b');
        await Promise.resolve();
        expect(sends).toEqual([2]);
        connection.write('c');
        expect(sends).toEqual([2, 1]);
        connection.write('d');
        settled();
      }),
    );
    await done;
    await new Promise(setImmediate);
    expect(received().toString()).toBe('abcd');
    expect(sends).toEqual([2, 1, 1]);
  });
});

test('write() says when the high-water mark is reached by what the kernel does not take', () => {
  open(1000);
  const answers: boolean[] = [];
  const chunk = Buffer.alloc(10_000);
  run(
    inData((connection) => {
      for (let i = 0; i < 11; i++) answers.push(connection.write(chunk));
    }),
  );
  // 101,000 bytes: the kernel has 1,000, so 100,000 wait when the last chunk but one is kept.
  expect(answers.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => true));
  expect(answers.at(-1)).toBe(false);
});

test('two connections that write in turn share the area without mixing', () => {
  const [otherFd, otherPeer] = pool.native.socketPair();
  pool.registrar.register(otherFd, connectionFd);
  run(
    inData((connection) => {
      // As a peer of its group is used.
      const others = new ConnectionSource(context);
      const turn = others.use(otherFd, 0);
      const other = others.handleOf(turn);
      connection.write('a');
      other.write('x');
      connection.write('b');
      other.write('y');
      others.conclude(turn);
    }),
  );
  expect(received().toString()).toBe('ab');
  const region = pool.native.memory(10);
  expect(pool.native.read(otherPeer, region.address, 10)).toBe(2);
  expect(Buffer.from(region.bytes.slice(0, 2)).toString()).toBe('xy');
});

test('the bytes leave in the order of the writes, whatever the kernel takes', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Random(seed);
    open(1 + random.below(50_000));
    const written: Buffer[] = [];
    const source = run(
      inData((connection) => {
        for (let i = 0; i < 20; i++) {
          const size = random.below(4) === 0 ? random.below(30_000) : random.below(300);
          const chunk = Buffer.alloc(size, 97 + i);
          connection.write(random.below(2) === 0 ? chunk : chunk.toString());
          written.push(chunk);
          if (random.below(8) === 0) connection.flush();
        }
      }),
    );
    const all = Buffer.concat(written);
    const got: Buffer[] = [];
    for (let size = 0; size < all.length;) {
      const some = received();
      got.push(some);
      size += some.length;
      expect(some.length, `seed ${seed}`).toBeGreaterThan(0);
      pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), Ready.OUT);
      rest(source);
    }
    expect(Buffer.concat(got).equals(all), `seed ${seed}`).toBe(true);
    expect(pool.memory.data.lentBytes()).toBe(0);
  }
});
