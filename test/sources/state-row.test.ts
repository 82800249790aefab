/** Records as handlers see them: what goes in comes out, of each type; nothing else can be written; and what it costs. */
import { setImmediate } from 'node:timers/promises';
import { PerformanceObserver } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { viewsOf } from '../../src/sources/state-access.ts';
import { rowClass, StateRow } from '../../src/sources/state-row.ts';
import { layOut, type StateOf, type StateShape } from '../../src/sources/state-shape.ts';

const memory = new SharedArrayBuffer(4096, { maxByteLength: 8192 });
const views = viewsOf(memory);
const AT = 1024;

/** A row over zeroes. */
function row<const S extends StateShape>(shape: S, at = AT): StateOf<S> & StateRow {
  const layout = layOut('s', shape);
  views.u8.fill(0, at, at + layout.bytes);
  return new (rowClass('echo.state', layout, views))(at) as StateOf<S> & StateRow;
}

const NUMBERS = [
  ['u8', 0, 255, 256, 0],
  ['i8', -128, 127, 128, -128],
  ['u16', 0, 65_535, -1, 65_535],
  ['i16', -32_768, 32_767, 32_768, -32_768],
  ['u32', 0, 2 ** 32 - 1, 2 ** 32 + 5, 5],
  ['i32', -(2 ** 31), 2 ** 31 - 1, 2 ** 31, -(2 ** 31)],
  ['f32', -1.5, 2 ** 100, 0.1, Math.fround(0.1)],
  ['f64', -Number.MAX_VALUE, Number.MIN_VALUE, Number.NaN, Number.NaN],
] as const;

describe('a field', () => {
  test.each(NUMBERS)(
    '%s holds its least and its greatest, and takes others as a typed array',
    (type, least, most, given, kept) => {
      const state = row({ before: type, it: type, after: type });
      for (const value of [least, most]) {
        state.it = value;
        expect(state).toMatchObject({ before: 0, it: value, after: 0 });
      }
      state.it = given;
      expect(state).toMatchObject({ before: 0, it: kept, after: 0 });
    },
  );

  test.each([
    ['u64', 0n, 2n ** 64n - 1n, 2n ** 64n + 7n, 7n],
    ['i64', -(2n ** 63n), 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n)],
  ] as const)('%s is a bigint', (type, least, most, given, kept) => {
    const state = row({ before: type, it: type, after: type });
    for (const [value, expected] of [
      [least, least],
      [most, most],
      [given, kept],
    ] as const) {
      state.it = value;
      expect(state).toMatchObject({ before: 0n, it: expected, after: 0n });
    }
    expect(() => {
      state.it = 1 as unknown as bigint;
    }).toThrow(TypeError);
  });

  test('bool is true or false', () => {
    const state = row({ before: 'bool', it: 'bool', after: 'bool' });
    for (const it of [true, false]) {
      state.it = it;
      expect(state).toMatchObject({ before: false, it, after: false });
    }
  });

  test('bytes are copied, and a shorter value is filled up with zeroes', () => {
    const state = row({ before: 'u8', it: 'bytes(4)', after: 'bytes(1)' });
    expect(state.it).toEqual(Buffer.alloc(4));
    const given = Buffer.from([1, 2, 3, 4]);
    state.it = given;
    given[0] = 9;
    const taken = state.it;
    taken[1] = 9;
    expect(state.it).toEqual(Buffer.from([1, 2, 3, 4]));
    state.it = new Uint8Array([5, 6]);
    expect(state.it).toEqual(Buffer.from([5, 6, 0, 0]));
    state.it = state.it.subarray(1);
    expect(state.it).toEqual(Buffer.from([6, 0, 0, 0]));
    state.it = new Uint8Array();
    expect(state).toMatchObject({ before: 0, it: Buffer.alloc(4), after: Buffer.alloc(1) });
    expect(taken.buffer).not.toBe(memory);
  });

  test('bytes refuse what is too long, or no bytes, and are as they were', () => {
    const state = row({ it: 'bytes(4)', after: 'bytes(4)' });
    state.it = Buffer.from('good');
    for (const value of [
      Buffer.alloc(5),
      'text',
      null,
      undefined,
      [1],
      4,
      new Uint16Array(1),
      new ArrayBuffer(2),
    ]) {
      expect(() => {
        state.it = value as Uint8Array;
      }).toThrow(expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_STATE' }));
    }
    expect(() => {
      state.it = Buffer.alloc(5);
    }).toThrow("State 'echo.state.it' must be a Uint8Array of at most 4 bytes; got one of 5");
    expect(Buffer.concat([state.it, state.after]).toString()).toBe('good\0\0\0\0');
  });
});

describe('a row', () => {
  test('is of its record alone', () => {
    const one = row({ a: 'u32', b: 'f64' }, AT);
    const two = row({ a: 'u32', b: 'f64' }, AT + 64);
    Object.assign(one, { a: 1, b: 2.5 });
    Object.assign(two, { a: 3, b: 4.5 });
    expect([one.a, one.b, two.a, two.b]).toEqual([1, 2.5, 3, 4.5]);
  });

  test('has no other fields: a misspelt one is not lost silently', () => {
    const state = row({ seq: 'u32' }) as { seq: number; sqe?: number };
    expect(() => {
      state.sqe = 1;
    }).toThrow(TypeError);
    expect(state.sqe).toBe(undefined);
  });

  test('throws for each field once it was taken back', () => {
    const state = row({ a: 'u8', b: 'u64', c: 'bool', d: 'bytes(2)', e: 'f64' }) as object as Record<
      string,
      unknown
    >;
    StateRow.revoke(state as object as StateRow);
    const stale: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_NOT_OWNER' });
    for (const [name, value] of Object.entries({ a: 1, b: 1n, c: true, d: Buffer.alloc(1), e: 1 })) {
      expect(() => state[name]).toThrow(stale);
      expect(() => {
        state[name] = value;
      }).toThrow(stale);
    }
    expect(views.u8.subarray(AT, AT + 64).every((byte) => byte === 0)).toBe(true);
  });
});

test('reading and writing numbers makes no garbage, whatever types are in use', async () => {
  const state = row({
    a: 'u8',
    b: 'i8',
    c: 'u16',
    d: 'i16',
    e: 'u32',
    f: 'i32',
    g: 'f32',
    h: 'f64',
    i: 'bool',
  });
  const access = (times: number): void => {
    for (let i = 0; i < times; i++) {
      state.a++;
      state.b--;
      state.c += 3;
      state.d -= 3;
      state.e += 2 ** 30;
      state.f ^= i;
      state.g += 0.5;
      state.h += state.g;
      state.i = !state.i;
    }
  };
  const TIMES = 1_000_000;
  for (let i = 0; i < 20; i++) access(10_000);
  const collections: unknown[] = [];
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  access(TIMES);
  const grown = process.memoryUsage().heapUsed - before;
  await setImmediate();
  observer.disconnect();
  // One number on the heap for each of these accesses would be 16 bytes.
  expect(grown).toBeLessThan(4 * TIMES);
  expect(collections).toEqual([]);
  expect(state.e).toBe((2 ** 30 * (TIMES + 200_000)) % 2 ** 32);
});
