/**
 * All bytes of a store: one SharedArrayBuffer, which costs nothing until it is touched.
 *
 *     header    64 words           seeds of the hash; at word 16, on a cache line of their own, the free blocks
 *     stripes   128 x 16 words     a cache line for each: its lock, its counters
 *     buckets   128 x 2^k words    first entry of each bucket; stripe after stripe
 *     next      a word per block   the block that follows in its entry, or in the list of free ones; 0 ends both
 *     blocks    128 bytes each     numbered from 1
 *
 *     entry     its first block: { next in bucket, hash, key length, value length, last used, blocks, expires (a double) },
 *               then the bytes of the key and of the value, on through its further blocks
 *
 * | who may use it        | what                                                     |
 * |-----------------------|----------------------------------------------------------|
 * | holder of the stripe  | its words, its buckets, its entries and all their blocks |
 * | holder of the pool    | the free blocks and their `next`                         |
 * | anybody, to estimate  | ENTRIES of a stripe, FREE                                |
 *
 * Those words are plain: the lock's compare-and-swap and exchange order them.
 */
import { randomFillSync } from 'node:crypto';
import { makeError, show } from '../../src/errors.ts';

export const BLOCK_SHIFT = 7;
export const BLOCK_BYTES: number = 1 << BLOCK_SHIFT;
const BLOCK_WORDS = BLOCK_BYTES / 4;

/** As many that two of 32 threads seldom meet; 7 bits of the hash. */
export const STRIPES = 128;
export const STRIPE_SHIFT = 25;

export const HEADER = { seed0: 0, seed1: 1, buckets: 2, format: 3 } as const;

/** The free blocks. `fresh` is the first of those that were never used, which are in no list; `free` counts both kinds. */
export const POOL = { lock: 16, head: 17, fresh: 18, free: 19, sweepDue: 20 } as const;

/** `underWay` is the entry whose value is being changed in place. */
export const STRIPE = { lock: 0, underWay: 1, entries: 2, expiring: 3, evicted: 4, expired: 5 } as const;

/** Words of an entry. `expires` is a double, milliseconds; 0: never. */
export const ENTRY = { next: 0, hash: 1, key: 2, value: 3, used: 4, blocks: 5, expires: 6 } as const;
export const ENTRY_BYTES = 32;

const HEADER_WORDS = 64;
const STRIPE_WORDS = 16;
const FORMAT = 0x52455350;

export const MIN_STORE_BYTES = 65_536;
/** 2 GiB: so all offsets are small integers. */
export const MAX_STORE_BYTES: number = 2 ** 31;

export type Layout = {
  /** How many blocks there are: numbers 1 to `blocks`. */
  readonly blocks: number;
  /** Buckets of a stripe, a power of two. */
  readonly buckets: number;
  readonly bucketsAt: number;
  /** Word of `next` of block 0, which does not exist. */
  readonly nextAt: number;
  /** Byte of block 0, which does not exist. */
  readonly blocksAt: number;
};

/** Makes the memory of a store of so many bytes, its tables included. @throws ERR_WAKEONE_INVALID_OPTION */
export function createMemory(byteLength: number): SharedArrayBuffer {
  if (!Number.isInteger(byteLength) || byteLength < MIN_STORE_BYTES || byteLength > MAX_STORE_BYTES) {
    const expected = `an integer from ${MIN_STORE_BYTES} to ${MAX_STORE_BYTES}`;
    throw makeError('ERR_WAKEONE_INVALID_OPTION', 'memory', expected, show(byteLength));
  }
  const memory = new SharedArrayBuffer(byteLength);
  const words = new Int32Array(memory);
  const [seed0 = 0, seed1 = 0] = randomFillSync(new Int32Array(2));
  words[HEADER.seed0] = seed0;
  words[HEADER.seed1] = seed1;
  words[HEADER.format] = FORMAT;
  words[POOL.fresh] = 1;
  words[POOL.free] = layoutOf(memory).blocks;
  return memory;
}

/** Where everything is. @throws ERR_WAKEONE_INVALID_ARGUMENT if createMemory() did not make it */
export function layoutOf(memory: SharedArrayBuffer): Layout {
  const isOurs =
    memory instanceof SharedArrayBuffer &&
    memory.byteLength >= MIN_STORE_BYTES &&
    new Int32Array(memory, 0, HEADER_WORDS)[HEADER.format] === FORMAT;
  if (!isOurs)
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'memory', 'made by createMemory()', show(memory));
  const bucketsAt = HEADER_WORDS + STRIPES * STRIPE_WORDS;
  // A word for its bucket, one for `next`; one block is lost to alignment.
  const blocks = Math.floor((memory.byteLength / 4 - bucketsAt) / (BLOCK_WORDS + 2)) - 1;
  // Between half a bucket and one for each block, so at most two entries in one.
  const buckets = Math.max(1, 2 ** Math.floor(Math.log2(blocks / STRIPES)));
  const nextAt = bucketsAt + STRIPES * buckets;
  const firstBlock = Math.ceil((nextAt + blocks + 1) / BLOCK_WORDS) * BLOCK_BYTES;
  return { blocks, buckets, bucketsAt, nextAt, blocksAt: firstBlock - BLOCK_BYTES };
}

/** First word of a stripe. */
export const stripeAt = (stripe: number): number => HEADER_WORDS + stripe * STRIPE_WORDS;
