/** Commands in the bytes that have arrived: whole or not at all, wherever they are cut, and what is no command is told apart. */
import { describe, expect, test } from 'vitest';
import { MAX_BULK_BYTES, MAX_COMMAND_BYTES, Parser } from '../../workers/resp/parser.ts';
import { Random } from '../scenarios/support/random.ts';
import { encode } from './cache.ts';

const wordsOf = (parser: Parser): string[] =>
  parser.args
    .slice(0, parser.count)
    .map(({ bytes, start, end }) => Buffer.from(bytes.subarray(start, end)).toString('latin1'));

/** All whole commands, and where the rest begins. */
function parseAll(input: Buffer): { readonly commands: string[][]; readonly rest: number } {
  const parser = new Parser();
  const commands: string[][] = [];
  let at = 0;
  while (at < input.length && parser.parse(input, at)) {
    commands.push(wordsOf(parser));
    expect(parser.end).toBeGreaterThan(at);
    at = parser.end;
  }
  return { commands, rest: at };
}

test('commands one behind the other, of arrays and of lines', () => {
  const input = Buffer.concat([
    encode('SET', 'key', 'a value'),
    Buffer.from('PING\r\n'),
    encode('GET', ''),
    Buffer.from('  get\t key \n\r\n'),
    Buffer.from('*0\r\n*-1\r\n'),
    encode('ECHO', Buffer.from([0, 13, 10, 255])),
  ]);
  expect(parseAll(input)).toEqual({
    commands: [
      ['SET', 'key', 'a value'],
      ['PING'],
      ['GET', ''],
      ['get', 'key'],
      [],
      [],
      [],
      ['ECHO', '\0\r\n\xff'],
    ],
    rest: input.length,
  });
});

test.each([
  ['an array', encode('SET', 'k', 'x'.repeat(300))],
  ['a line', Buffer.from('set k "x y" \'z\'\r\n')],
])('%s that is cut anywhere is not whole, and says how much it needs at least', (_, whole) => {
  const parser = new Parser();
  for (let cut = 1; cut < whole.length; cut++) {
    expect(parser.parse(whole.subarray(0, cut), 0), `cut at ${cut}`).toBe(false);
    expect(parser.end).toBeGreaterThan(cut);
    expect(parser.end).toBeLessThanOrEqual(whole.length);
  }
  expect(parser.parse(whole, 0)).toBe(true);
  expect(parser.end).toBe(whole.length);
});

test('what many arguments need at least is known before they come: few looks are enough', () => {
  const whole = encode(...Array.from({ length: 20_000 }, (_, i) => `word ${i}`));
  const parser = new Parser();
  let looks = 0;
  for (let length = 1; ; length = parser.end) {
    looks++;
    if (parser.parse(whole.subarray(0, length), 0)) break;
    expect(parser.end).toBeGreaterThan(length);
    expect(parser.end).toBeLessThanOrEqual(whole.length);
  }
  expect(parser.count).toBe(20_000);
  expect(looks).toBeLessThan(60);
});

test.each([
  [String.raw`set "a\x41\n\"\\" 'b\'c\d' e`, ['set', 'aA\n"\\', "b'c\\d", 'e']],
  ['set "" \'\'', ['set', '', '']],
  [String.raw`"\xzz\q"`, ['xzzq']],
])('words in quotes: %s', (line, words) => {
  expect(parseAll(Buffer.from(`${line}\r\n`)).commands).toEqual([words]);
});

describe('what is no command', () => {
  test.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*1\r\n+OK\r\n', "expected '$', got '+'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    [`*1\r\n$${MAX_BULK_BYTES + 1}\r\n`, 'invalid bulk length'],
    [`*${'1'.repeat(30)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(30)}`, 'too big bulk count string'],
    ['x'.repeat(65_537), 'too big inline request'],
    ['set "a\r\n', 'unbalanced quotes in request'],
    ['set "a"b\r\n', 'unbalanced quotes in request'],
    ["set 'a\r\n", 'unbalanced quotes in request'],
  ])('%j is told so', (text, message) => {
    expect(() => parseAll(Buffer.from(text))).toThrow(`Protocol error: ${message}`);
  });

  test('a command that is too long as a whole', () => {
    const word = 'x'.repeat(MAX_BULK_BYTES);
    const many = encode('MSET', ...Array.from({ length: MAX_COMMAND_BYTES / MAX_BULK_BYTES }, () => word));
    expect(() => parseAll(many)).toThrow('too big command');
  });
});

test('random commands in random pieces', () => {
  const random = new Random();
  for (let round = 0; round < 300; round++) {
    const commands = Array.from({ length: 1 + random.below(5) }, () =>
      Array.from({ length: 1 + random.below(4) }, () => random.bytes(random.below(40))),
    );
    const stream = Buffer.concat(commands.map((words) => encode(...words)));
    const got: string[][] = [];
    for (let from = 0, until = 0; from < stream.length;) {
      until = Math.min(stream.length, until + 1 + random.below(20));
      const { commands: whole, rest } = parseAll(stream.subarray(from, until));
      got.push(...whole);
      from += rest;
    }
    expect(got, `seed ${random.seed}`).toEqual(
      commands.map((words) => words.map((word) => word.toString('latin1'))),
    );
  }
});

test('random bytes are commands, not whole, or no protocol: nothing else comes of them', () => {
  const random = new Random();
  const pieces = [
    '*1\r\n',
    '$3\r\n',
    'GET',
    '\r\n',
    '$-1\r\n',
    '*2\r\n',
    '"',
    "'",
    '\\x',
    '$99999999999\r\n',
    '*',
  ];
  for (let round = 0; round < 100_000; round++) {
    const input = Buffer.concat(
      Array.from({ length: 1 + random.below(6) }, () =>
        random.below(3) === 0 ? random.bytes(random.below(8)) : Buffer.from(random.pick(pieces)),
      ),
    );
    const parser = new Parser();
    let at = 0;
    try {
      while (at < input.length && parser.parse(input, at)) {
        if (parser.end <= at || parser.end > input.length)
          throw new RangeError(`end ${parser.end} after ${at}`);
        at = parser.end;
      }
    } catch (error) {
      if ((error as Error).name !== 'ProtocolError')
        throw new Error(`seed ${random.seed}: ${JSON.stringify(input.toString('latin1'))}`, { cause: error });
    }
  }
});
