/**
 * Messages of a connection's input over the fake kernel: cut in two at every byte, in one worker's turn or in the next one's,
 * in pieces at random. What is given is right, stays right until the handler is done, and nothing is lent out in the end.
 */
import { describe, expect, test } from 'vitest';
import { Config } from '../../src/slots/layout.ts';
import { pack, Ready, State } from '../../src/slots/word.ts';
import { Connection } from '../../src/sources/connection.ts';
import { Mark } from '../../src/sources/connection-output.ts';
import { ConnectionTurn } from '../../src/sources/connection-turn.ts';
import { connectionFd, contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';
import { Random } from '../scenarios/support/random.ts';

const MAX_INPUT = 4096;

type Take = (connection: Connection) => Buffer | undefined;

/** A connection whose turns a test runs by hand. */
class Line {
  readonly pool: FakePool = makeFakePool({ config: { [Config.MAX_INPUT]: MAX_INPUT } });
  readonly fd: number;
  readonly turn: ConnectionTurn;
  connection!: Connection;
  readonly #peer: number;

  constructor() {
    [this.fd, this.#peer] = this.pool.native.socketPair();
    this.pool.registrar.register(this.fd, connectionFd);
    this.turn = new ConnectionTurn(contextOf(this.pool, [{}]).context);
  }

  /** One turn that reads what has arrived and calls `handler` as `data` is called. */
  receive(bytes: Uint8Array, handler: (connection: Connection) => void): void {
    const region = this.pool.native.memory(bytes.length);
    region.bytes.set(bytes);
    this.pool.native.write(this.#peer, region.address, bytes.length);
    this.turn.begin(this.fd, pack(0, 0, 0, Ready.IN, State.QUEUED));
    this.turn.read();
    this.turn.offered = this.turn.inputLength;
    this.connection = new Connection(this.turn);
    handler(this.connection);
    this.turn.save();
  }

  get lentBytes(): number {
    return this.pool.memory.data.lentBytes();
  }
}

/** All whole messages of a turn; the views are looked at when the last one was taken. */
function takeAll(connection: Connection, take: Take, into: string[]): void {
  const views: Buffer[] = [];
  for (let message = take(connection); message !== undefined; message = take(connection)) views.push(message);
  into.push(...views.map((view) => view.toString('latin1')));
}

const frame = (text: string, bytes: 1 | 2 | 4, little: boolean, itself: boolean): Buffer => {
  const head = Buffer.alloc(bytes);
  const length = text.length + (itself ? bytes : 0);
  if (little) head.writeUIntLE(length, 0, bytes);
  else head.writeUIntBE(length, 0, bytes);
  return Buffer.concat([head, Buffer.from(text)]);
};

const long = 'x'.repeat(200);
const kinds: readonly (readonly [string, Take, Buffer, readonly string[]])[] = [
  [
    'lines',
    (c) => c.readLine(),
    Buffer.from(`a\r\n\nbc\n${long}\r\n\r\rd\n`),
    ['a', '', 'bc', long, '\r\rd'],
  ],
  ['parts up to a text', (c) => c.readUntil('--'), Buffer.from('a----b-c--'), ['a', '', 'b-c']],
  ['parts up to a byte', (c) => c.readUntil(0), Buffer.from(`${long}\0\0y\0`), [long, '', 'y']],
  ['counted parts', (c) => c.readExactly(3), Buffer.from('abcdefghi'), ['abc', 'def', 'ghi']],
  ...([1, 2, 4] as const).flatMap((lengthBytes) =>
    [false, true].flatMap((littleEndian) =>
      [false, true].map((countsItself): (typeof kinds)[number] => [
        `frames of ${lengthBytes} bytes, ${littleEndian ? 'little' : 'big'} endian${countsItself ? ', that count themselves' : ''}`,
        (c) => c.readFrame({ lengthBytes, littleEndian, countsItself }),
        Buffer.concat(['one', '', long].map((text) => frame(text, lengthBytes, littleEndian, countsItself))),
        ['one', '', long],
      ]),
    ),
  ),
];

describe.each(kinds)('%s', (_, take, stream, expected) => {
  test('cut in two at every byte', () => {
    for (let cut = 1; cut < stream.length; cut++) {
      const line = new Line();
      const got: string[] = [];
      line.receive(stream.subarray(0, cut), (connection) => takeAll(connection, take, got));
      line.receive(stream.subarray(cut), (connection) => takeAll(connection, take, got));
      expect(got, `cut at ${cut}`).toEqual(expected);
      expect(line.turn.inputLength).toBe(0);
      expect(line.lentBytes).toBe(0);
    }
  });

  test('in pieces at random', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Random(seed);
      const line = new Line();
      const got: string[] = [];
      for (let at = 0; at < stream.length;) {
        const size = 1 + random.below(9);
        line.receive(stream.subarray(at, at + size), (connection) => takeAll(connection, take, got));
        at += size;
      }
      expect(got, `seed ${seed}`).toEqual(expected);
      expect(line.lentBytes).toBe(0);
    }
  });
});

test('a rest that is not whole stays, in front of what comes', () => {
  const line = new Line();
  line.receive(Buffer.from('whole\npart'), (connection) => {
    expect(connection.readLine()?.toString()).toBe('whole');
    expect(connection.readLine()).toBeUndefined();
    expect(connection.input.toString()).toBe('part');
  });
  line.receive(Buffer.from('ly\n'), (connection) => expect(connection.readLine()?.toString()).toBe('partly'));
});

test('peek() leaves what it shows', () => {
  const line = new Line();
  line.receive(Buffer.from('abc'), (connection) => {
    expect(connection.peek(2)?.toString()).toBe('ab');
    expect(connection.peek(4)).toBeUndefined();
    expect(connection.peek(0)?.length).toBe(0);
    expect(connection.inputLength).toBe(3);
    expect(() => connection.peek(-1)).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' }),
    );
  });
});

describe('unread()', () => {
  test('puts back what was taken, in the read area and in a block', () => {
    const line = new Line();
    line.receive(Buffer.from('abcdef'), (connection) => {
      const taken = connection.readExactly(4) as Buffer;
      connection.unread(taken.subarray(2));
      expect(connection.input.toString()).toBe('cdef');
    });
    line.receive(Buffer.from('gh'), (connection) => {
      const taken = connection.readExactly(6) as Buffer;
      expect(taken.toString()).toBe('cdefgh');
      connection.unread(taken.subarray(3));
      expect(connection.input.toString()).toBe('fgh');
      connection.consume();
    });
    expect(line.lentBytes).toBe(0);
  });

  test('takes other bytes too, in front of a rest and of nothing', () => {
    const line = new Line();
    line.receive(Buffer.from('rest'), (connection) => {
      connection.unread(Buffer.from('front '));
      expect(connection.input.toString()).toBe('front rest');
      connection.unread(Buffer.from('very '));
      expect(connection.read().toString()).toBe('very front rest');
      connection.unread(Buffer.from('again'));
    });
    line.receive(Buffer.from('!'), (connection) => expect(connection.read().toString()).toBe('again!'));
    expect(line.lentBytes).toBe(0);
  });

  test('leaves what was taken as it is: in the read area', () => {
    const line = new Line();
    line.receive(Buffer.from('one\ntwo\n'), (connection) => {
      const taken = connection.readLine() as Buffer;
      connection.unread(Buffer.from('ab'));
      connection.unread(taken.subarray(0, 2));
      connection.unread(Buffer.from('cd'));
      expect(taken.toString()).toBe('one');
      expect(connection.read().toString()).toBe('cdonabtwo\n');
    });
    expect(line.lentBytes).toBe(0);
  });

  test('leaves what was taken as it is: in a block, which is given back when the handler is done', () => {
    const line = new Line();
    line.receive(Buffer.from('o'), () => {});
    line.receive(Buffer.from('ne\ntwo\n'), (connection) => {
      const taken = connection.readLine() as Buffer;
      connection.unread(taken.subarray(0, 2));
      expect(taken.toString()).toBe('one');
      const other = connection.readExactly(3) as Buffer;
      connection.unread(Buffer.alloc(100, 'x'));
      // Somebody else's, who would get what is given back.
      const { data } = line.pool.memory;
      const block = data.append(0, Buffer.alloc(200, '!')) as number;
      expect([taken.toString(), other.toString()]).toEqual(['one', 'ont']);
      data.release(block);
      expect(connection.read().toString()).toBe(`${'x'.repeat(100)}wo\n`);
    });
    expect(line.lentBytes).toBe(0);
  });

  test('more than the input may hold ends the connection', () => {
    const line = new Line();
    line.receive(Buffer.from('rest'), (connection) => {
      connection.unread(Buffer.alloc(MAX_INPUT));
    });
    expect(line.turn.closing).toEqual({ type: 'input-overflow' });
  });

  test('a handler that puts all of it back has taken nothing: a read timeout goes on', () => {
    const line = new Line();
    line.receive(Buffer.from('abc'), (connection) => {
      connection.unread(connection.readExactly(3) as Buffer);
      expect(line.turn.marks & Mark.CONSUMED).toBe(0);
      connection.unread((connection.readExactly(3) as Buffer).subarray(1));
      expect(line.turn.marks & Mark.CONSUMED).toBe(Mark.CONSUMED);
    });
  });
});

describe('a message that is too long', () => {
  const tooLong = expect.objectContaining({ code: 'ERR_WAKEONE_MESSAGE_TOO_LONG' });
  const cases: readonly (readonly [string, Take, string, string])[] = [
    ['a line', (c) => c.readLine(4), 'abcd\r', 'e'],
    ['a part up to a delimiter', (c) => c.readUntil('--', 4), 'abcd-', 'e'],
    ['a frame', (c) => c.readFrame({ lengthBytes: 1, maxBytes: 4 }), '\x04abc', ''],
  ];

  test.each(cases)('%s: not before it is certain', (_, take, undecided, more) => {
    const line = new Line();
    line.receive(Buffer.from(undecided), (connection) => expect(take(connection)).toBeUndefined());
    if (more === '') return;
    line.receive(Buffer.from(more), (connection) => expect(() => take(connection)).toThrow(tooLong));
  });

  test('the longest that is allowed is taken', () => {
    const line = new Line();
    line.receive(Buffer.from('abcd\r\nabcd--\x04abcd'), (connection) => {
      expect(connection.readLine(4)?.toString()).toBe('abcd');
      expect(connection.readUntil('--', 4)?.toString()).toBe('abcd');
      expect(connection.readFrame({ lengthBytes: 1, maxBytes: 4 })?.toString()).toBe('abcd');
    });
  });

  test('a whole one is refused as well, and not taken', () => {
    const line = new Line();
    line.receive(Buffer.from('abcde\n'), (connection) => {
      expect(() => connection.readLine(4)).toThrow(tooLong);
      expect(() => connection.readUntil('\n', 4)).toThrow(tooLong);
      expect(connection.readLine(5)?.toString()).toBe('abcde');
    });
    line.receive(Buffer.from('\x05'), (connection) => {
      expect(() => connection.readFrame({ lengthBytes: 1, maxBytes: 4 })).toThrow(tooLong);
    });
  });

  test('by default: what the input can hold with its framing', () => {
    const line = new Line();
    const head = Buffer.alloc(4);
    head.writeUInt32BE(MAX_INPUT - 4);
    line.receive(head, (connection) => expect(connection.readFrame()).toBeUndefined());
    const over = new Line();
    head.writeUInt32BE(MAX_INPUT - 3);
    over.receive(head, (connection) => expect(() => connection.readFrame()).toThrow(tooLong));
  });
});

test('a frame that says that it is shorter than its own length', () => {
  const line = new Line();
  line.receive(Buffer.from([0, 1]), (connection) =>
    expect(() => connection.readFrame({ lengthBytes: 2, countsItself: true })).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_BAD_FRAME' }),
    ),
  );
});

const INVALID_OPTION = 'ERR_WAKEONE_INVALID_OPTION';

test.each<[string, (connection: Connection) => unknown, string?]>([
  ['a count that the input could never hold', (c) => c.readExactly(MAX_INPUT + 1)],
  ['a negative count', (c) => c.readExactly(-1)],
  ['a fraction', (c) => c.readExactly(1.5)],
  ['a negative limit', (c) => c.readLine(-1)],
  ['no number', (c) => c.readLine('4' as never)],
  ['an empty delimiter', (c) => c.readUntil('')],
  ['empty bytes', (c) => c.readUntil(Buffer.alloc(0))],
  ['a byte that is none', (c) => c.readUntil(256)],
  ['no delimiter', (c) => c.readUntil(undefined as never)],
  ['a length of three bytes', (c) => c.readFrame({ lengthBytes: 3 as never })],
  ['no bytes', (c) => c.unread('text' as never)],
  ['an option that there is not', (c) => c.readFrame({ littleendian: true } as never), INVALID_OPTION],
  ['a byte order that is none', (c) => c.readFrame({ littleEndian: 'yes' as never }), INVALID_OPTION],
  ['options that are none', (c) => c.readFrame(4 as never), INVALID_OPTION],
])('%s is refused', (_, misuse, code = 'ERR_WAKEONE_INVALID_ARGUMENT') => {
  const line = new Line();
  line.receive(Buffer.from('input'), (connection) => {
    expect(() => misuse(connection)).toThrow(expect.objectContaining({ code }));
    expect(connection.read().toString()).toBe('input');
  });
});
