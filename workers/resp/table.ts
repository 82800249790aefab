/**
 * The hash table of a store. A stripe is 1/128 of it and has a lock; what takes a stripe, a hash or an entry is for the holder of
 * that lock. Locks are taken in this order: stripes ascending, then the one of the free blocks.
 *
 * T1  An entry is linked to by one store, when it is whole, and unlinked by one store, before its blocks are given back.
 * T2  What is changed in place is named in `underWay` meanwhile.
 *
 * So a thread may die at any instruction: what it leaves is a sound table, in which at most the entry under way must be
 * dropped, counters that are wrong, both put right by the next one that locks the stripe, and blocks that nobody
 * has (sweep.ts).
 */
import { Mutex } from '../../src/locks/index.ts';
import { AtomicsPort } from '../../src/sync/port.ts';
import { acquire, Blocks, blocksFor } from './blocks.ts';
import { ENTRY, layoutOf, POOL, STRIPE, STRIPE_SHIFT, stripeAt, STRIPES } from './layout.ts';
import type { Slice } from './slice.ts';

/** Of the clock that tells what was used last; 2^31 ticks are a year. */
const TICK_MS = 16;

const tickOf = (nowMs: number): number => (nowMs / TICK_MS) | 0;

/** The stripe of a hash: its uppermost bits. The lower ones tell the bucket. */
export const stripeOf = (hash: number): number => hash >>> STRIPE_SHIFT;

export class Table {
  readonly blocks: Blocks;
  /** Buckets of a stripe. */
  readonly buckets: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #doubles: Float64Array<SharedArrayBuffer>;
  readonly #port: AtomicsPort;
  readonly #mutexes: readonly Mutex[];
  readonly #bucketsAt: number;
  /** Of the last find(): the word that links to the entry, or the 0 behind the last entry of its bucket. */
  #link = 0;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedArrayBuffer) {
    const layout = layoutOf(memory);
    const port = new AtomicsPort(new Int32Array(memory));
    this.blocks = new Blocks(memory, layout);
    this.buckets = layout.buckets;
    this.#bucketsAt = layout.bucketsAt;
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#port = port;
    this.#mutexes = Array.from(
      { length: STRIPES },
      (_, i) => new Mutex(memory, (stripeAt(i) + STRIPE.lock) * Int32Array.BYTES_PER_ELEMENT),
    );
  }

  lock(stripe: number): void {
    const mutex = this.#mutexOf(stripe);
    acquire(mutex);
    if (mutex.ownerDied) this.#repair(stripe);
  }

  tryLock(stripe: number): boolean {
    const mutex = this.#mutexOf(stripe);
    if (!mutex.tryLock()) return false;
    if (mutex.ownerDied) this.#repair(stripe);
    return true;
  }

  unlock(stripe: number): void {
    // Something threw in the middle of a change: what it left is no value.
    if (this.#words[stripeAt(stripe) + STRIPE.underWay] !== 0) this.#repair(stripe);
    this.#mutexOf(stripe).unlock();
  }

  /** The entry of a key, 0 if there is none or its time is over. */
  find(hash: number, key: Slice, nowMs: number): number {
    const words = this.#words;
    const length = key.end - key.start;
    let link = this.linkOf(stripeOf(hash), hash);
    for (let entry = words[link] ?? 0; entry !== 0; entry = words[link] ?? 0) {
      const at = this.blocks.wordOf(entry);
      if (
        words[at + ENTRY.hash] === hash &&
        words[at + ENTRY.key] === length &&
        this.blocks.equals(entry, 0, key)
      ) {
        this.#link = link;
        if (!this.isOver(entry, nowMs)) return entry;
        this.unlink(stripeOf(hash), link, STRIPE.expired);
        return 0;
      }
      link = at + ENTRY.next;
    }
    this.#link = link;
    return 0;
  }

  keyLengthOf(entry: number): number {
    return this.#words[this.blocks.wordOf(entry) + ENTRY.key] ?? 0;
  }

  valueLengthOf(entry: number): number {
    return this.#words[this.blocks.wordOf(entry) + ENTRY.value] ?? 0;
  }

  /** How many blocks an entry has; 0 for none. */
  blocksOf(entry: number): number {
    return entry === 0 ? 0 : (this.#words[this.blocks.wordOf(entry) + ENTRY.blocks] ?? 0);
  }

  /** When an entry's time is over; 0: never. */
  expiryOf(entry: number): number {
    return this.#doubles[(this.blocks.wordOf(entry) + ENTRY.expires) >>> 1] ?? 0;
  }

  isOver(entry: number, nowMs: number): boolean {
    const expiresAtMs = this.expiryOf(entry);
    return expiresAtMs !== 0 && expiresAtMs <= nowMs;
  }

  setExpiry(stripe: number, entry: number, expiresAtMs: number): void {
    const change = (expiresAtMs === 0 ? 0 : 1) - (this.expiryOf(entry) === 0 ? 0 : 1);
    this.#doubles[(this.blocks.wordOf(entry) + ENTRY.expires) >>> 1] = expiresAtMs;
    if (change !== 0) this.#count(stripe, STRIPE.expiring, change);
  }

  /** Notes that an entry is used. */
  touch(entry: number, nowMs: number): void {
    this.#words[this.blocks.wordOf(entry) + ENTRY.used] = tickOf(nowMs);
  }

  /** For how long it was not used, in ticks. */
  ageOf(entry: number, nowMs: number): number {
    return (tickOf(nowMs) - (this.#words[this.blocks.wordOf(entry) + ENTRY.used] ?? 0)) | 0;
  }

  /**
   * Puts a value where the last find() has looked, in the place of the `entry` that it gave. `chain` is memory for it; 0: it takes
   * what it needs. False if there is none.
   */
  put(
    hash: number,
    key: Slice,
    value: Slice,
    expiresAtMs: number,
    nowMs: number,
    entry: number,
    chain = 0,
  ): boolean {
    const words = this.#words;
    const stripe = stripeOf(hash);
    const keyLength = key.end - key.start;
    const valueLength = value.end - value.start;
    const needed = blocksFor(keyLength + valueLength);
    const old = this.blocks.wordOf(entry);
    if (entry !== 0 && chain === 0 && words[old + ENTRY.blocks] === needed) {
      this.overwrite(hash, entry, 0, value);
      this.touch(entry, nowMs);
      this.setExpiry(stripe, entry, expiresAtMs);
      return true;
    }
    const fresh = chain === 0 ? this.blocks.take(needed) : chain;
    if (fresh === 0) return false;
    const at = this.blocks.wordOf(fresh);
    words[at + ENTRY.next] = words[entry === 0 ? this.#link : old + ENTRY.next] ?? 0;
    words[at + ENTRY.hash] = hash;
    words[at + ENTRY.key] = keyLength;
    words[at + ENTRY.value] = valueLength;
    words[at + ENTRY.used] = tickOf(nowMs);
    words[at + ENTRY.blocks] = needed;
    this.#doubles[(at + ENTRY.expires) >>> 1] = expiresAtMs;
    this.blocks.write(fresh, 0, key);
    this.blocks.write(fresh, keyLength, value);
    // Publishes the entry (T1).
    this.#port.store(this.#link, fresh);
    const timed = expiresAtMs === 0 ? 0 : 1;
    if (entry === 0) {
      this.#count(stripe, STRIPE.entries, 1);
      if (timed !== 0) this.#count(stripe, STRIPE.expiring, timed);
    } else {
      const change = timed - (this.expiryOf(entry) === 0 ? 0 : 1);
      if (change !== 0) this.#count(stripe, STRIPE.expiring, change);
      this.blocks.give(entry);
    }
    return true;
  }

  /** Writes in place: the value is then the `offset` bytes that it has and those of `value`. There is room for them. */
  overwrite(hash: number, entry: number, offset: number, value: Slice): void {
    const underWay = stripeAt(stripeOf(hash)) + STRIPE.underWay;
    this.#port.store(underWay, entry);
    this.blocks.write(entry, this.keyLengthOf(entry) + offset, value);
    this.#words[this.blocks.wordOf(entry) + ENTRY.value] = offset + value.end - value.start;
    this.#port.store(underWay, 0);
  }

  /** Makes room for a value of so many bytes, of which it keeps those that it has. False if there is no memory. */
  grow(entry: number, valueLength: number): boolean {
    const has = this.blocksOf(entry);
    const needed = blocksFor(this.keyLengthOf(entry) + valueLength);
    if (needed <= has) return true;
    const chain = this.blocks.take(needed - has);
    if (chain === 0) return false;
    this.blocks.link(entry, chain);
    this.#words[this.blocks.wordOf(entry) + ENTRY.blocks] = needed;
    return true;
  }

  /** Takes out the entry that the last find() gave. */
  remove(hash: number): void {
    this.unlink(stripeOf(hash), this.#link);
  }

  /** First link of a bucket. */
  linkOf(stripe: number, bucket: number): number {
    return this.#bucketsAt + stripe * this.buckets + (bucket & (this.buckets - 1));
  }

  /** The entry that a link leads to, or 0. */
  entryAt(link: number): number {
    return this.#words[link] ?? 0;
  }

  /** The link behind an entry. */
  linkAfter(entry: number): number {
    return this.blocks.wordOf(entry) + ENTRY.next;
  }

  /** Takes out the entry that a link leads to, and counts why. */
  unlink(stripe: number, link: number, why?: typeof STRIPE.evicted | typeof STRIPE.expired): void {
    const entry = this.entryAt(link);
    this.#port.store(link, this.entryAt(this.linkAfter(entry)));
    this.#count(stripe, STRIPE.entries, -1);
    if (this.expiryOf(entry) !== 0) this.#count(stripe, STRIPE.expiring, -1);
    if (why !== undefined) this.#count(stripe, why, 1);
    this.blocks.give(entry);
  }

  /** A counter of a stripe. Anybody, to estimate. */
  counted(stripe: number, counter: number): number {
    return this.#words[stripeAt(stripe) + counter] ?? 0;
  }

  /** Unlinks all entries of a stripe, whose blocks must then be freed otherwise. */
  clear(stripe: number): void {
    const first = this.linkOf(stripe, 0);
    this.#words.fill(0, first, first + this.buckets);
    this.#words[stripeAt(stripe) + STRIPE.entries] = 0;
    this.#words[stripeAt(stripe) + STRIPE.expiring] = 0;
  }

  /** Waits until each thread that holds a stripe now is done, and repairs those of dead ones. By a thread that holds none. */
  visitAll(): void {
    for (let stripe = 0; stripe < STRIPES; stripe++) {
      this.lock(stripe);
      this.unlock(stripe);
    }
  }

  /** Asks for a sweep, or tells whether one was asked for. */
  askForSweep(): void {
    this.#port.store(POOL.sweepDue, 1);
  }

  get sweepDue(): boolean {
    return this.#port.load(POOL.sweepDue) !== 0;
  }

  #mutexOf(stripe: number): Mutex {
    return this.#mutexes[stripe] as Mutex;
  }

  /** Unlinks the entry under way, if any, whose blocks may be linked in any way, and counts what is there. */
  #repair(stripe: number): void {
    // First: if this thread dies too, the next one repairs the stripe, but the blocks are lost without this.
    this.askForSweep();
    const words = this.#words;
    const at = stripeAt(stripe);
    const underWay = words[at + STRIPE.underWay] ?? 0;
    let entries = 0;
    let expiring = 0;
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      let link = this.linkOf(stripe, bucket);
      for (let entry = this.entryAt(link); entry !== 0; entry = this.entryAt(link)) {
        if (entry === underWay) {
          this.#port.store(link, this.entryAt(this.linkAfter(entry)));
          continue;
        }
        entries++;
        if (this.expiryOf(entry) !== 0) expiring++;
        link = this.linkAfter(entry);
      }
    }
    words[at + STRIPE.entries] = entries;
    words[at + STRIPE.expiring] = expiring;
    this.#port.store(at + STRIPE.underWay, 0);
  }

  #count(stripe: number, counter: number, change: number): void {
    const at = stripeAt(stripe) + counter;
    this.#words[at] = (this.#words[at] ?? 0) + change;
  }
}
