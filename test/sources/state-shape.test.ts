/** Declarations of state: those that cannot be, and where fields lie in those that can. */
import { describe, expect, test } from 'vitest';
import { show } from '../../src/errors.ts';
import { MAX_STATE_BYTES } from '../../src/slots/states.ts';
import { defineHandlers } from '../../src/sources/handlers.ts';
import { type Field, layOut } from '../../src/sources/state-shape.ts';

const own = (name: string): object => JSON.parse(`{ "${name}": "u8" }`) as object;
const refused: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_STATE', name: 'TypeError' });

class Fields {
  readonly seq = 'u8';
}

const bad: readonly (readonly [why: string, state: unknown, message: RegExp])[] = [
  ...['u33', 'U8', 'u8 ', '', 'number', 'toString', 'bytes'].map(
    (type) => [`the type '${type}'`, { seq: type }, /^State 'echo\.state\.seq' must be one of u8, /] as const,
  ),
  ...[
    'bytes()',
    'bytes(0)',
    'bytes(-1)',
    'bytes(1.5)',
    'bytes(01)',
    'bytes( 1)',
    'bytes(1e2)',
    'bytes(n)',
  ].map((type) => [`the type '${type}'`, { seq: type }, /bytes\(n\); got "bytes\(/] as const),
  ...[8, null, undefined, ['u8'], {}, Uint8Array, Symbol('u8')].map(
    (type) => [`the type ${show(type)}`, { seq: type }, /echo\.state\.seq' must be one of u8, /] as const,
  ),
  // They would be there already, or never.
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__', 'valueOf'].map(
    (name) => [`the name ${name}`, own(name), /not as a property of all objects/] as const,
  ),
  // The last two look the same, and are the same when normalised.
  ...['', '1a', 'a b', 'a-b', 'a.b', '\\u00e9', 'e\\u0301'].map(
    (name) => [`the name '${name}'`, own(name), /named by letters, digits, _ and \$/] as const,
  ),
  ['a symbol for a name', { [Symbol('seq')]: 'u8' }, /got Symbol\(seq\)/],
  ...[null, 8, 'u8', true, () => {}, ['u8'], new Map([['seq', 'u8']]), new Fields()].map(
    (state) => ['what is no plain object', state, /^State 'echo\.state' must be a plain object/] as const,
  ),
  ['inherited fields', Object.create({ seq: 'u8' }), /must be a plain object/],
  ['fields behind __proto__', { __proto__: { seq: 'u8' }, phase: 'u8' }, /must be a plain object/],
  ['more bytes than there may be', { a: `bytes(${MAX_STATE_BYTES + 1})` }, /at most 1024 bytes; got 1025/],
  ['as many, and one more', { a: `bytes(${MAX_STATE_BYTES})`, b: 'bool' }, /got 1025/],
  ['very many', { a: 'bytes(99999999999999999999)' }, /at most 1024 bytes/],
];

describe('a handler is refused that declares', () => {
  test.each(bad)('%s', (_, state, message) => {
    const define = (handler: object): unknown => defineHandlers({ echo: handler });
    for (const methods of [{ data() {} }, { event() {} }]) {
      expect(() => define({ state, ...methods })).toThrow(refused);
      expect(() => define({ state, ...methods })).toThrow(message);
    }
    const options = { groupState: state } as never;
    expect(() => defineHandlers({ echo() {} }, options)).toThrow(refused);
  });

  test('functions that do not go together, or none for its state', () => {
    const invalid: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' });
    const handlers: readonly object[] = [
      { event: 'u8' },
      { event() {}, data() {} },
      { event() {}, maxBytesPerTurn: 1 },
      { state: { seq: 'u8' }, evnt() {} },
    ];
    for (const handler of handlers) expect(() => defineHandlers({ echo: handler })).toThrow(invalid);
    expect(() => defineHandlers({ echo: { sate: {}, data() {} } as object })).toThrow(
      "Argument 'echo.sate' must be a function named one of open, trigger, data, drain, timeout, end, error, close, or one of state, maxBytesPerTurn, maxMessagesPerTurn; got an instance of Object",
    );
  });
});

/** Where each field is, by its name. */
const offsets = (shape: object): Record<string, number> =>
  Object.fromEntries(layOut('s', shape).fields.map(({ name, offset }: Field) => [name, offset]));

describe('a record', () => {
  test('has its widest fields first, each aligned, without gaps, the others in their order', () => {
    const shape = { a: 'u8', b: 'u64', c: 'bytes(3)', d: 'f32', e: 'i16', f: 'bool', g: 'f64', h: 'u32' };
    expect(offsets(shape)).toEqual({ b: 0, g: 8, d: 16, h: 20, e: 24, a: 26, c: 27, f: 30 });
    expect(layOut('s', shape).bytes).toBe(31);
  });

  test('may have as many bytes as there may be, and any names that are not taken', () => {
    const shape = { $: 'bytes(1000)', _: 'f64', constructor_: 'u64', state: 'i64' };
    expect(layOut('s', shape).bytes).toBe(MAX_STATE_BYTES);
    const bare = Object.assign(Object.create(null) as object, { seq: 'u8' });
    expect(layOut('s', bare).bytes).toBe(1);
  });

  test('may be empty, or not be declared', () => {
    for (const shape of [undefined, {}]) expect(layOut('s', shape).bytes).toBe(0);
  });
});
