/** Declarations of state: what their fields are, what they are in TypeScript, and where each lies in its record. */
import { makeError, show } from '../errors.ts';
import { MAX_STATE_BYTES } from '../slots/states.ts';

/** Bytes of the fields of a fixed size. */
const FIELD_BYTES = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  f32: 4,
  f64: 8,
  bool: 1,
} as const;
type FixedType = keyof typeof FIELD_BYTES;
type BytesType = `bytes(${number})`;

/** Type of a field of a state: `'bytes(16)'` is an array of 16 bytes, the others are named as in Rust. */
export type FieldType = FixedType | BytesType;

/** A declaration: names of fields and their types. */
export type StateShape = { readonly [name: string]: FieldType };

/** What a field is for handlers. */
export type FieldValue<F extends FieldType> = F extends 'u64' | 'i64'
  ? bigint
  : F extends 'bool'
    ? boolean
    : F extends BytesType
      ? Uint8Array
      : number;

/** What handlers are given for a declaration. */
export type StateOf<S extends StateShape> = { -readonly [K in keyof S]: FieldValue<S[K]> };

/** A declaration that declares nothing. */
export type NoState = {};

export type Field = {
  readonly name: string;
  readonly type: FixedType | 'bytes';
  readonly bytes: number;
  /** From the beginning of the record; a multiple of the field's alignment. */
  readonly offset: number;
};

/** A declaration that was found good. */
export type Layout = { readonly fields: readonly Field[]; readonly bytes: number };

export const NO_LAYOUT: Layout = { fields: [], bytes: 0 };

const TYPES = [...Object.keys(FIELD_BYTES), 'bytes(n)'].join(', ');
const NAME = /^[A-Za-z_$][\w$]*$/;
const BYTES = /^bytes\(([1-9]\d*)\)$/;

/**
 * Lays a record out: the widest fields first, so that each is aligned and there are no gaps. All workers come to the same.
 * @throws ERR_WAKEONE_INVALID_STATE; `what` names the declaration
 */
export function layOut(what: string, shape: unknown): Layout {
  if (shape === undefined) return NO_LAYOUT;
  if (!isPlain(shape)) throw invalid(what, 'a plain object of names and types', shape);
  const sized = Reflect.ownKeys(shape).map((name) => {
    const path = `${what}.${String(name)}`;
    if (typeof name !== 'string' || !NAME.test(name) || name in Object.prototype)
      throw invalid(path, 'named by letters, digits, _ and $, and not as a property of all objects', name);
    return { name, ...sizeOf(path, shape[name]) };
  });
  let offset = 0;
  const fields = sized
    .toSorted((a, b) => alignmentOf(b) - alignmentOf(a))
    .map((field) => {
      const placed = { ...field, offset };
      offset += field.bytes;
      return placed;
    });
  if (offset > MAX_STATE_BYTES) throw invalid(what, `at most ${MAX_STATE_BYTES} bytes`, offset);
  return { fields, bytes: offset };
}

type Sized = Pick<Field, 'type' | 'bytes'>;

function sizeOf(path: string, type: unknown): Sized {
  if (typeof type === 'string' && Object.hasOwn(FIELD_BYTES, type)) {
    const fixed = type as FixedType;
    return { type: fixed, bytes: FIELD_BYTES[fixed] };
  }
  const bytes = typeof type === 'string' ? Number(BYTES.exec(type)?.[1] ?? 0) : 0;
  if (bytes >= 1) return { type: 'bytes', bytes };
  throw invalid(path, `one of ${TYPES}`, type);
}

const alignmentOf = ({ type, bytes }: Sized): number => (type === 'bytes' ? 1 : bytes);

/** Not an instance of something: what it inherits would be left out. */
function isPlain(shape: unknown): shape is Record<string, unknown> {
  if (typeof shape !== 'object' || shape === null) return false;
  const prototype: unknown = Object.getPrototypeOf(shape);
  return prototype === Object.prototype || prototype === null;
}

function invalid(what: string, expected: string, received: unknown): Error {
  return makeError('ERR_WAKEONE_INVALID_STATE', what, expected, show(received));
}
