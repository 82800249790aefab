/**
 * The blocks of a store: chains of 128 bytes through a table of numbers. All blocks are of one size, so memory does not fragment:
 * whatever was evicted is of use for whatever comes. Blocks of a chain that lie side by side, as they do when they come from
 * memory that was never used, are copied at once.
 *
 * A thread may die at any instruction of take() and give(): the list that it leaves is sound, since blocks leave it and
 * come to it by one store. At most `free` is wrong, which the next one counts anew, and the blocks under way are in no
 * list, which a sweep of all stripes finds (sweep.ts).
 */
import { Mutex } from '../../src/locks/index.ts';
import { BLOCK_BYTES, BLOCK_SHIFT, ENTRY_BYTES, type Layout, POOL } from './layout.ts';
import { areEqual, copyBytes, type Slice } from './slice.ts';

/** A few microseconds: a lock is held for less than that, and to sleep and be woken takes fifty. */
const SPINS = 50;

/** Takes a lock that is nearly always free. */
export function acquire(mutex: Mutex): void {
  for (let spin = 0; spin < SPINS; spin++) if (mutex.tryLock()) return;
  mutex.lock();
}

/** How many blocks an entry needs whose key and value have so many bytes together. */
export const blocksFor = (bytes: number): number => (bytes + ENTRY_BYTES + BLOCK_BYTES - 1) >>> BLOCK_SHIFT;

export class Blocks {
  /** How many there are. */
  readonly count: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #mutex: Mutex;
  readonly #nextAt: number;
  readonly #blocksAt: number;

  constructor(memory: SharedArrayBuffer, layout: Layout) {
    this.count = layout.blocks;
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#mutex = new Mutex(memory, POOL.lock * Int32Array.BYTES_PER_ELEMENT);
    this.#nextAt = layout.nextAt;
    this.#blocksAt = layout.blocksAt;
  }

  /** How many are free, give or take what is under way. */
  get free(): number {
    return this.#words[POOL.free] ?? 0;
  }

  /** What so many blocks take of memory. */
  bytesOf(blocks: number): number {
    return blocks * BLOCK_BYTES;
  }

  /** First byte of a block. */
  byteOf(block: number): number {
    return this.#blocksAt + (block << BLOCK_SHIFT);
  }

  /** First word of a block. */
  wordOf(block: number): number {
    return this.byteOf(block) >>> 2;
  }

  /** The block that follows in its chain, 0 at the end. Its owner. */
  nextOf(block: number): number {
    return this.#words[this.#nextAt + block] ?? 0;
  }

  /** A chain of `count` blocks, all or none: 0. */
  take(count: number): number {
    const words = this.#words;
    this.#lock();
    const free = this.free;
    if (free < count) {
      this.#mutex.unlock();
      return 0;
    }
    const head = words[POOL.head] ?? 0;
    let last = 0;
    let listed = 0;
    for (let block = head; block !== 0 && listed < count; block = this.nextOf(block)) {
      last = block;
      listed++;
    }
    const rest = last === 0 ? 0 : this.nextOf(last);
    const fresh = words[POOL.fresh] ?? 0;
    // They leave the unused ones before they are linked to blocks that still are in the list.
    words[POOL.fresh] = fresh + count - listed;
    words[POOL.head] = rest;
    for (let block = fresh; listed < count; block++, listed++) {
      if (last !== 0) words[this.#nextAt + last] = block;
      last = block;
    }
    words[this.#nextAt + last] = 0;
    words[POOL.free] = free - count;
    this.#mutex.unlock();
    return head === 0 ? fresh : head;
  }

  /** Cuts a chain behind its first `count` blocks. What follows. Its owner. */
  cut(chain: number, count: number): number {
    let last = chain;
    for (let i = 1; i < count; i++) last = this.nextOf(last);
    const rest = this.nextOf(last);
    this.#words[this.#nextAt + last] = 0;
    return rest;
  }

  /** Lets a chain go on with another one. Its owner. */
  link(chain: number, more: number): void {
    let last = chain;
    for (let next = this.nextOf(last); next !== 0; next = this.nextOf(last)) last = next;
    this.#words[this.#nextAt + last] = more;
  }

  /** Gives a chain back. Its owner, who forgets it. */
  give(chain: number): void {
    const words = this.#words;
    let count = 1;
    let last = chain;
    for (let next = this.nextOf(last); next !== 0; next = this.nextOf(last)) {
      last = next;
      count++;
    }
    this.#lock();
    words[this.#nextAt + last] = words[POOL.head] ?? 0;
    words[POOL.head] = chain;
    words[POOL.free] = this.free + count;
    this.#mutex.unlock();
  }

  /** True if the bytes at `offset` of an entry are those. Its owner. */
  equals(entry: number, offset: number, { bytes, start, end }: Slice): boolean {
    let block = entry;
    let from = ENTRY_BYTES + offset;
    for (; from >= BLOCK_BYTES; from -= BLOCK_BYTES) block = this.nextOf(block);
    for (let at = start; at < end;) {
      const run = this.#runFrom(block, from, end - at);
      if (!areEqual(this.#bytes, this.byteOf(block) + from, bytes, at, run)) return false;
      at += run;
      block = at < end ? this.nextOf(block + ((from + run - 1) >>> BLOCK_SHIFT)) : 0;
      from = 0;
    }
    return true;
  }

  /** Copies `source` to `offset` of an entry. Its owner. */
  write(entry: number, offset: number, { bytes, start, end }: Slice): void {
    let block = entry;
    let from = ENTRY_BYTES + offset;
    for (; from >= BLOCK_BYTES; from -= BLOCK_BYTES) block = this.nextOf(block);
    for (let at = start; at < end;) {
      const run = this.#runFrom(block, from, end - at);
      copyBytes(bytes, at, this.#bytes, this.byteOf(block) + from, run);
      at += run;
      block = at < end ? this.nextOf(block + ((from + run - 1) >>> BLOCK_SHIFT)) : 0;
      from = 0;
    }
  }

  /** Copies `length` bytes at `offset` of an entry into `target`. Its owner. */
  read(entry: number, offset: number, length: number, target: Uint8Array, to: number): void {
    let block = entry;
    let from = ENTRY_BYTES + offset;
    for (; from >= BLOCK_BYTES; from -= BLOCK_BYTES) block = this.nextOf(block);
    for (let done = 0; done < length;) {
      const run = this.#runFrom(block, from, length - done);
      copyBytes(this.#bytes, this.byteOf(block) + from, target, to + done, run);
      done += run;
      block = done < length ? this.nextOf(block + ((from + run - 1) >>> BLOCK_SHIFT)) : 0;
      from = 0;
    }
  }

  /** Frees all blocks but those that are `used`; undefined: all. Only while all stripes are locked. */
  reset(used: Uint8Array | undefined): void {
    const words = this.#words;
    this.#lock();
    words[POOL.head] = 0;
    let head = 0;
    let free = 0;
    if (used === undefined) {
      words[POOL.fresh] = 1;
    } else {
      for (let block = (words[POOL.fresh] ?? 0) - 1; block > 0; block--) {
        if (used[block] === 1) continue;
        words[this.#nextAt + block] = head;
        head = block;
        free++;
      }
    }
    words[POOL.head] = head;
    words[POOL.free] = free + this.count + 1 - (words[POOL.fresh] ?? 0);
    words[POOL.sweepDue] = 0;
    this.#mutex.unlock();
  }

  #lock(): void {
    acquire(this.#mutex);
    if (!this.#mutex.ownerDied) return;
    let free = this.count + 1 - (this.#words[POOL.fresh] ?? 0);
    for (let block = this.#words[POOL.head] ?? 0; block !== 0; block = this.nextOf(block)) free++;
    this.#words[POOL.free] = free;
  }

  /** How many of the next `length` bytes lie side by side. */
  #runFrom(block: number, from: number, length: number): number {
    let run = BLOCK_BYTES - from;
    for (let last = block; run < length && this.nextOf(last) === last + 1; last++) run += BLOCK_BYTES;
    return run < length ? run : length;
  }
}
