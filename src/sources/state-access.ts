/**
 * The accessors of a record's fields: a pair of functions for each type, each written out. If types shared theirs, these would
 * see arrays of ten kinds, and cost 50 ns and garbage instead of 4 ns and none, as soon as a module uses five of them.
 *
 * What does not fit a number's type wraps around, and what is no number is made one, as in a typed array. Bytes are copied on
 * the way out and on the way in: a view would outlive the turn, and the record be written to from outside of it.
 */
import { makeError, show } from '../errors.ts';
import type { Field } from './state-shape.ts';

/** The whole memory of the states, by type. With a length each: views that follow that of a growable buffer are ten times slower. */
export type StateViews = {
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i16: Int16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly i64: BigInt64Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
};

export function viewsOf(memory: SharedArrayBuffer): StateViews {
  const { byteLength } = memory;
  return {
    u8: new Uint8Array(memory, 0, byteLength),
    i8: new Int8Array(memory, 0, byteLength),
    u16: new Uint16Array(memory, 0, byteLength / 2),
    i16: new Int16Array(memory, 0, byteLength / 2),
    u32: new Uint32Array(memory, 0, byteLength / 4),
    i32: new Int32Array(memory, 0, byteLength / 4),
    u64: new BigUint64Array(memory, 0, byteLength / 8),
    i64: new BigInt64Array(memory, 0, byteLength / 8),
    f32: new Float32Array(memory, 0, byteLength / 4),
    f64: new Float64Array(memory, 0, byteLength / 8),
  };
}

/** The accessors of one field. `path` names it in errors; `place` tells where the record of a row begins, or throws. */
export function accessorsOf<R extends object>(
  path: string,
  field: Field,
  views: StateViews,
  place: (row: R) => number,
): PropertyDescriptor & ThisType<R> {
  const { offset } = field;
  const { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = views;
  switch (field.type) {
    case 'u8':
      return {
        get(): number {
          return u8[place(this) + offset] ?? 0;
        },
        set(value: number): void {
          u8[place(this) + offset] = value;
        },
      };
    case 'i8':
      return {
        get(): number {
          return i8[place(this) + offset] ?? 0;
        },
        set(value: number): void {
          i8[place(this) + offset] = value;
        },
      };
    case 'u16':
      return {
        get(): number {
          return u16[(place(this) + offset) >>> 1] ?? 0;
        },
        set(value: number): void {
          u16[(place(this) + offset) >>> 1] = value;
        },
      };
    case 'i16':
      return {
        get(): number {
          return i16[(place(this) + offset) >>> 1] ?? 0;
        },
        set(value: number): void {
          i16[(place(this) + offset) >>> 1] = value;
        },
      };
    case 'u32':
      return {
        get(): number {
          return u32[(place(this) + offset) >>> 2] ?? 0;
        },
        set(value: number): void {
          u32[(place(this) + offset) >>> 2] = value;
        },
      };
    case 'i32':
      return {
        get(): number {
          return i32[(place(this) + offset) >>> 2] ?? 0;
        },
        set(value: number): void {
          i32[(place(this) + offset) >>> 2] = value;
        },
      };
    case 'f32':
      return {
        get(): number {
          return f32[(place(this) + offset) >>> 2] ?? 0;
        },
        set(value: number): void {
          f32[(place(this) + offset) >>> 2] = value;
        },
      };
    case 'f64':
      return {
        get(): number {
          return f64[(place(this) + offset) >>> 3] ?? 0;
        },
        set(value: number): void {
          f64[(place(this) + offset) >>> 3] = value;
        },
      };
    case 'u64':
      return {
        get(): bigint {
          return u64[(place(this) + offset) >>> 3] ?? 0n;
        },
        set(value: bigint): void {
          u64[(place(this) + offset) >>> 3] = value;
        },
      };
    case 'i64':
      return {
        get(): bigint {
          return i64[(place(this) + offset) >>> 3] ?? 0n;
        },
        set(value: bigint): void {
          i64[(place(this) + offset) >>> 3] = value;
        },
      };
    case 'bool':
      return {
        get(): boolean {
          return u8[place(this) + offset] !== 0;
        },
        set(value: boolean): void {
          u8[place(this) + offset] = value ? 1 : 0;
        },
      };
    case 'bytes':
      return {
        get(): Buffer {
          const from = place(this) + offset;
          const copy = Buffer.allocUnsafe(field.bytes);
          copy.set(u8.subarray(from, from + field.bytes));
          return copy;
        },
        set(value: unknown): void {
          const from = place(this) + offset;
          checkBytes(path, value, field.bytes);
          u8.set(value, from);
          u8.fill(0, from + value.length, from + field.bytes);
        },
      };
  }
}

function checkBytes(path: string, value: unknown, most: number): asserts value is Uint8Array {
  const fits = value instanceof Uint8Array && value.length <= most;
  if (fits) return;
  const received = value instanceof Uint8Array ? `one of ${value.length}` : show(value);
  throw makeError('ERR_WAKEONE_INVALID_STATE', path, `a Uint8Array of at most ${most} bytes`, received);
}
