/**
 * What makes room: entries whose time is over, and, when the memory is full, those that were not used for longest, by sample, as
 * Redis does. What a small entry needs is evicted from its own stripe, which is locked already: keys are spread by their
 * hash, so the oldest of a stripe is about the oldest of all. For a big one, or from a stripe with few entries, five
 * stripes are compared, one lock at a time.
 */
import { STRIPE, STRIPES } from './layout.ts';
import { sweep } from './sweep.ts';
import type { Table } from './table.ts';

/** How often an operation asks for room while others take each time what it gets. */
export const TRIES = 64;

/** Entries that are compared to evict one of them. */
const SAMPLES = 5;
/** A stripe with fewer entries has none that may stand for the oldest of all. */
const REPRESENTATIVE = 16;
/** More are not taken from a single stripe. */
const FEW_BLOCKS = 8;
/** How often others are waited for who take again what has become free. */
const MOST_ROUNDS = 100;
/** Buckets that are looked at with one lock. */
const BUCKETS_AT_ONCE = 256;
/** Older than any age. */
const OVER = 2 ** 31;

export class Eviction {
  readonly #table: Table;
  #random: number;
  /** Where expireSome() goes on: stripe by stripe. */
  #stripe: number;
  #bucket = 0;
  /** Of the last #oldestOf(). */
  #age = 0;

  constructor(table: Table, seed: number) {
    this.#table = table;
    this.#random = seed;
    this.#stripe = seed % STRIPES;
  }

  /**
   * After put() or grow() has found no memory: makes room, for which it may let the stripe go and lock it again, so its caller
   * looks for the entry anew. False if there is none to be had.
   */
  makeRoom(stripe: number, needed: number, nowMs: number): boolean {
    const table = this.#table;
    if (table.sweepDue) {
      table.unlock(stripe);
      const found = sweep(table);
      table.lock(stripe);
      if (found) return true;
    }
    const other = this.#next() % STRIPES;
    const mine = table.counted(stripe, STRIPE.entries);
    // What one stripe gives, any other may take. So by chance this one may have become smaller, and its oldest too young.
    const isFair = mine + (mine >>> 3) >= table.counted(other, STRIPE.entries);
    const isSmall = needed <= FEW_BLOCKS;
    if (isSmall && isFair && this.#evictFrom(stripe, this.#next(), nowMs, REPRESENTATIVE)) return true;
    table.unlock(stripe);
    const found = (isSmall && !isFair && this.#evictOne(other, nowMs)) || this.gather(needed, nowMs);
    table.lock(stripe);
    return found;
  }

  /** Evicts until so many blocks are free. By a thread that holds no stripe. */
  gather(needed: number, nowMs: number): boolean {
    const table = this.#table;
    const { blocks } = table;
    if (needed > blocks.count) return false;
    sweep(table);
    let rounds = 0;
    // Each turn frees a block, or another thread was quicker.
    for (let turn = 0; turn < blocks.count && blocks.free < needed; turn++) {
      const way = this.#next();
      const stripe = this.#stalest(way, nowMs);
      if (stripe === undefined) {
        // Nothing is left: others are just filling what they took, or have died with it. When they are done it can be evicted.
        if (++rounds > MOST_ROUNDS) break;
        table.visitAll();
        sweep(table);
        continue;
      }
      table.lock(stripe);
      this.#evictFrom(stripe, way, nowMs, 1);
      // To compare five stripes for each of thousands of small entries would take too long.
      for (let more = 1; more < REPRESENTATIVE && blocks.free < needed; more++)
        if (!this.#evictFrom(stripe, this.#next(), nowMs, REPRESENTATIVE)) break;
      table.unlock(stripe);
    }
    return blocks.free >= needed;
  }

  /**
   * Removes entries whose time is over: looks at `buckets` buckets, those after the ones of the last call, and at up to 16 times as
   * many while more than a quarter of what has a time is over. How many it has removed.
   */
  expireSome(buckets: number, nowMs: number): number {
    const table = this.#table;
    let removed = 0;
    for (let looked = 0, limit = buckets, stripes = 0; looked < limit && stripes <= STRIPES;) {
      // Without waiting: it can be looked at the next time.
      const isDue = this.#bucket < table.buckets && table.counted(this.#stripe, STRIPE.expiring) > 0;
      if (!isDue || !table.tryLock(this.#stripe)) {
        this.#stripe = (this.#stripe + 1) % STRIPES;
        this.#bucket = 0;
        stripes++;
        continue;
      }
      const { timed, over } = this.#expireFrom(this.#stripe, this.#bucket, nowMs);
      table.unlock(this.#stripe);
      this.#bucket += BUCKETS_AT_ONCE;
      looked += BUCKETS_AT_ONCE;
      removed += over;
      if (over * 4 > timed) limit = Math.min(limit + BUCKETS_AT_ONCE, 16 * buckets);
    }
    return removed;
  }

  #expireFrom(stripe: number, first: number, nowMs: number): { timed: number; over: number } {
    const table = this.#table;
    let timed = 0;
    let over = 0;
    const end = Math.min(first + BUCKETS_AT_ONCE, table.buckets);
    for (let bucket = first; bucket < end; bucket++) {
      let link = table.linkOf(stripe, bucket);
      for (let entry = table.entryAt(link); entry !== 0; entry = table.entryAt(link)) {
        if (table.expiryOf(entry) !== 0) timed++;
        if (table.isOver(entry, nowMs)) {
          table.unlink(stripe, link, STRIPE.expired);
          over++;
        } else {
          link = table.linkAfter(entry);
        }
      }
    }
    return { timed, over };
  }

  /** Of five stripes that are not empty, the one with the oldest entry. */
  #stalest(way: number, nowMs: number): number | undefined {
    const table = this.#table;
    const first = this.#next();
    let stalest: number | undefined;
    let age = -OVER;
    for (let i = 0, sampled = 0; i < STRIPES && sampled < SAMPLES; i++) {
      const stripe = (first + i) % STRIPES;
      if (table.counted(stripe, STRIPE.entries) === 0) continue;
      table.lock(stripe);
      const link = this.#oldestOf(stripe, way, nowMs);
      table.unlock(stripe);
      if (link === 0) continue;
      sampled++;
      if (this.#age < age) continue;
      age = this.#age;
      stalest = stripe;
    }
    return stalest;
  }

  /** Evicts one entry of a stripe with many. By a thread that holds none. */
  #evictOne(stripe: number, nowMs: number): boolean {
    this.#table.lock(stripe);
    const done = this.#evictFrom(stripe, this.#next(), nowMs, REPRESENTATIVE);
    this.#table.unlock(stripe);
    return done;
  }

  /** Evicts one entry of a stripe that has at least so many. */
  #evictFrom(stripe: number, way: number, nowMs: number, atLeast: number): boolean {
    const table = this.#table;
    if (table.counted(stripe, STRIPE.entries) < atLeast) return false;
    const link = this.#oldestOf(stripe, way, nowMs);
    if (link === 0) return false;
    table.unlink(stripe, link, this.#age === OVER ? STRIPE.expired : STRIPE.evicted);
    return true;
  }

  /**
   * The link to the oldest of some entries; 0 if there is none. They are those that are met first when one goes through the
   * buckets as `way` says: by odd steps, since of neighbours one would always compare the same.
   */
  #oldestOf(stripe: number, way: number, nowMs: number): number {
    const table = this.#table;
    const step = (way >>> 12) | 1;
    let oldest = 0;
    let bucket = way;
    this.#age = -OVER;
    for (let i = 0, seen = 0; i < table.buckets && seen < SAMPLES; i++, bucket += step) {
      let link = table.linkOf(stripe, bucket);
      for (let entry = table.entryAt(link); entry !== 0; entry = table.entryAt(link)) {
        const age = table.isOver(entry, nowMs) ? OVER : table.ageOf(entry, nowMs);
        if (age >= this.#age) {
          this.#age = age;
          oldest = link;
        }
        seen++;
        link = table.linkAfter(entry);
      }
    }
    return oldest;
  }

  /** A random number of 31 bits (xorshift: only to spread). */
  #next(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 1;
  }
}
