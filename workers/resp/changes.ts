/** Changes that follow from the value that is there. The stripe of the key is locked, before and after. */
import { blocksFor } from './blocks.ts';
import { addDecimal, MAX_DECIMAL_BYTES, parseDecimal, writeDecimal } from './decimal.ts';
import { type Eviction, TRIES } from './eviction.ts';
import { MAX_BYTES } from './layout.ts';
import { type Slice, sliceOf } from './slice.ts';
import { stripeOf, type Table } from './table.ts';

export type NoRoom = 'too-large' | 'out-of-memory';
export type NotNumber = 'not-an-integer' | 'overflow';

/** Of this thread. */
const text = new Uint8Array(MAX_DECIMAL_BYTES);
const digits: Slice = sliceOf(text);

/** Adds to a number, a missing one being 0. The sum. */
export function addTo(
  table: Table,
  eviction: Eviction,
  hash: number,
  key: Slice,
  delta: number | bigint,
  nowMs: number,
): number | bigint | NotNumber | NoRoom {
  for (let tries = 0; tries < TRIES; tries++) {
    const entry = table.find(hash, key, nowMs);
    const old = entry === 0 ? 0 : numberOf(table, entry);
    if (old === undefined) return 'not-an-integer';
    const sum = addDecimal(old, delta);
    if (sum === undefined) return 'overflow';
    digits.start = writeDecimal(sum, text);
    const expiresAtMs = entry === 0 ? 0 : table.expiryOf(entry);
    if (table.put(hash, key, digits, expiresAtMs, nowMs, entry)) return sum;
    const needed = blocksFor(key.end - key.start + MAX_DECIMAL_BYTES);
    if (!eviction.makeRoom(stripeOf(hash), needed, nowMs)) break;
  }
  return 'out-of-memory';
}

/** Appends to a value, a missing one being empty. Its length. */
export function appendTo(
  table: Table,
  eviction: Eviction,
  hash: number,
  key: Slice,
  value: Slice,
  nowMs: number,
): number | NoRoom {
  for (let tries = 0; tries < TRIES; tries++) {
    const entry = table.find(hash, key, nowMs);
    const old = entry === 0 ? 0 : table.valueLengthOf(entry);
    const length = old + value.end - value.start;
    if (length > MAX_BYTES) return 'too-large';
    if (entry === 0) {
      if (table.put(hash, key, value, 0, nowMs, 0)) return length;
    } else {
      // First: it should not be what has to go.
      table.touch(entry, nowMs);
      if (table.grow(entry, length)) {
        table.overwrite(hash, entry, old, value);
        return length;
      }
    }
    const needed = blocksFor(key.end - key.start + length) - table.blocksOf(entry);
    if (!eviction.makeRoom(stripeOf(hash), needed, nowMs)) break;
  }
  return 'out-of-memory';
}

function numberOf(table: Table, entry: number): number | bigint | undefined {
  const length = table.valueLengthOf(entry);
  if (length > MAX_DECIMAL_BYTES) return undefined;
  table.blocks.read(entry, table.keyLengthOf(entry), length, text, 0);
  return parseDecimal(text, length);
}
