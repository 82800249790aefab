/**
 * Shared buffers: the unread rest of an input and the unsent rest of an output, which the next event may find in another
 * worker. Blocks of 2^k bytes (256 up) come from one SharedArrayBuffer of `bufferMemory` bytes, which costs nothing
 * until it is touched.
 *
 *     block reference  { class : 5, unit : 24 }, 0 for none; a unit is 256 bytes, unit 0 is the header of the whole
 *     block            word 0 start of the data, word 1 its length (free: reference of the next free block), data at byte 16
 *     header           word 0 first unit that was never used, words 1 + class: first free block of that class
 *
 * A block belongs to the owner of the slot that refers to it. The free lists are under a mutex that names its holder. Each
 * of their changes ends with one store that makes it whole: if the holder dies, the supervisor hands the mutex on as it
 * is, and at most the blocks under way are lost. A block is split when a smaller one is
 * needed and never merged: with power-of-two sizes the waste is bounded by the mix of sizes that was once in use.
 */
import type { Mutex } from '../sync/mutex.ts';

const UNIT_BITS = 8;
const UNIT_BYTES = 1 << UNIT_BITS;
const REFERENCE_UNIT_BITS = 24;
const UNIT_MASK = (1 << REFERENCE_UNIT_BITS) - 1;
const CLASSES = 24;
const HEADER_BYTES = 16;
const WORDS_PER_UNIT = UNIT_BYTES / 4;

const UNUSED = 0;
const FREE_LISTS = 1;
const START = 0;
const LENGTH = 1;

export class Buffers {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #mutex: Mutex;
  readonly #owner: number;

  /** `owner` names this thread in the mutex. */
  constructor(memory: SharedArrayBuffer, mutex: Mutex, owner: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#mutex = mutex;
    this.#owner = owner;
  }

  /** Bytes of data in a block. Owner of the block. */
  lengthOf(block: number): number {
    return block === 0 ? 0 : (this.#words[wordOf(block) + LENGTH] ?? 0);
  }

  /** Offset of the block's data in the shared memory. Owner of the block. */
  offsetOf(block: number): number {
    return byteOf(block) + HEADER_BYTES + (this.#words[wordOf(block) + START] ?? 0);
  }

  /** The block's data, in place. Owner of the block. */
  dataOf(block: number): Uint8Array<SharedArrayBuffer> {
    const offset = this.offsetOf(block);
    return this.#bytes.subarray(offset, offset + this.lengthOf(block));
  }

  /** Drops the first `count` bytes. Owner of the block; returns the block, or 0 when it is empty and given back. */
  consume(block: number, count: number): number {
    this.advance(block, count);
    if (this.lengthOf(block) > 0) return block;
    this.release(block);
    return 0;
  }

  /** As consume(), but a block without data stays its owner's: what was in it is there until it is used or given back. */
  advance(block: number, count: number): void {
    const at = wordOf(block);
    const dropped = Math.min(count, this.#words[at + LENGTH] ?? 0);
    this.#words[at + START] = (this.#words[at + START] ?? 0) + dropped;
    this.#words[at + LENGTH] = (this.#words[at + LENGTH] ?? 0) - dropped;
  }

  /** Takes back bytes that were dropped from the block's data, if the last that were are those. Owner of the block. */
  retreat(block: number, bytes: Uint8Array): boolean {
    const at = wordOf(block);
    const start = (this.#words[at + START] ?? 0) - bytes.length;
    if (start < 0) return false;
    const from = byteOf(block) + HEADER_BYTES + start;
    for (let i = 0; i < bytes.length; i++) if (this.#bytes[from + i] !== bytes[i]) return false;
    this.#words[at + START] = start;
    this.#words[at + LENGTH] = this.lengthOf(block) + bytes.length;
    return true;
  }

  /** Appends `data` to a block (0: a new one); returns the block that holds it all, undefined if memory is exhausted (then the old block is as it was). */
  append(block: number, data: Uint8Array): number | undefined {
    if (data.length === 0) return block;
    const length = this.lengthOf(block);
    const total = length + data.length;
    if (block !== 0 && total <= capacityOf(block)) {
      const at = wordOf(block);
      const payload = byteOf(block) + HEADER_BYTES;
      let start = this.#words[at + START] ?? 0;
      if (start + total > capacityOf(block)) {
        this.#bytes.copyWithin(payload, payload + start, payload + start + length);
        start = 0;
        this.#words[at + START] = 0;
      }
      this.#bytes.set(data, payload + start + length);
      this.#words[at + LENGTH] = total;
      return block;
    }
    // Twice what is needed now, so that a stream of appends copies each byte a bounded number of times.
    const grown = this.#allocate(block === 0 ? total : 2 * total) ?? this.#allocate(total);
    if (grown === undefined) return undefined;
    const payload = byteOf(grown) + HEADER_BYTES;
    if (block !== 0) {
      this.#bytes.set(this.dataOf(block), payload);
      this.release(block);
    }
    this.#bytes.set(data, payload + length);
    this.#words[wordOf(grown) + START] = 0;
    this.#words[wordOf(grown) + LENGTH] = total;
    return grown;
  }

  /** Gives a block back. Its owner; may sleep. */
  release(block: number): void {
    if (block === 0) return;
    this.#mutex.lock(this.#owner);
    this.#putFree(block);
    this.#mutex.unlock();
  }

  /** As release, for a thread that may not sleep. False if another one has the lists: then nothing has happened. */
  tryRelease(block: number): boolean {
    if (block === 0) return true;
    if (!this.#mutex.tryLock(this.#owner)) return false;
    this.#putFree(block);
    this.#mutex.unlock();
    return true;
  }

  /** Bytes that were ever in use: what the memory costs. */
  get touchedBytes(): number {
    return (this.#words[UNUSED] ?? 0) * UNIT_BYTES;
  }

  /** Bytes in blocks that are lent out now. For tests and statistics. */
  lentBytes(): number {
    this.#mutex.lock(this.#owner);
    let free = UNIT_BYTES;
    for (let size = 0; size < CLASSES; size++) {
      let block = this.#words[FREE_LISTS + size] ?? 0;
      for (; block !== 0; block = this.#words[wordOf(block) + LENGTH] ?? 0) free += UNIT_BYTES << size;
    }
    const lent = Math.max(0, this.touchedBytes - free);
    this.#mutex.unlock();
    return lent;
  }

  #allocate(payload: number): number | undefined {
    const wanted = classOf(payload + HEADER_BYTES);
    if (wanted >= CLASSES) return undefined;
    this.#mutex.lock(this.#owner);
    const block = this.#takeFree(wanted) ?? this.#takeUnused(wanted) ?? this.#split(wanted);
    this.#mutex.unlock();
    return block;
  }

  #takeFree(size: number): number | undefined {
    const block = this.#words[FREE_LISTS + size] ?? 0;
    if (block === 0) return undefined;
    this.#words[FREE_LISTS + size] = this.#words[wordOf(block) + LENGTH] ?? 0;
    return block;
  }

  #takeUnused(size: number): number | undefined {
    const unit = Math.max(1, this.#words[UNUSED] ?? 0);
    const end = unit + (1 << size);
    if (end * WORDS_PER_UNIT > this.#words.length || end > UNIT_MASK) return undefined;
    this.#words[UNUSED] = end;
    return reference(unit, size);
  }

  #split(size: number): number | undefined {
    for (let larger = size + 1; larger < CLASSES; larger++) {
      const block = this.#takeFree(larger);
      if (block === undefined) continue;
      const unit = block & UNIT_MASK;
      for (let half = larger - 1; half >= size; half--) this.#putFree(reference(unit + (1 << half), half));
      return reference(unit, size);
    }
    return undefined;
  }

  #putFree(block: number): void {
    const list = FREE_LISTS + (block >>> REFERENCE_UNIT_BITS);
    this.#words[wordOf(block) + LENGTH] = this.#words[list] ?? 0;
    this.#words[list] = block;
  }
}

const reference = (unit: number, size: number): number => (size << REFERENCE_UNIT_BITS) | unit;
const byteOf = (block: number): number => (block & UNIT_MASK) * UNIT_BYTES;
const wordOf = (block: number): number => (block & UNIT_MASK) * WORDS_PER_UNIT;
const capacityOf = (block: number): number => (UNIT_BYTES << (block >>> REFERENCE_UNIT_BITS)) - HEADER_BYTES;
const classOf = (bytes: number): number => (bytes <= UNIT_BYTES ? 0 : 32 - Math.clz32(bytes - 1) - UNIT_BITS);
