/**
 * What makes room: entries whose time is over, and, when the memory is full, those that were not used for longest, by sample, as
 * Redis does. What a small entry needs is evicted from its own stripe, which is locked already: keys are spread by their
 * hash, so the oldest of a stripe is about the oldest of all. For a big one, or from a stripe with few entries, five
 * stripes are compared, one lock at a time.
 */
import { STRIPE, STRIPES } from './layout.ts';
import type { Table } from './table.ts';

/** Entries that are compared to evict one of them. */
const SAMPLES = 5;
/** A stripe with fewer entries has none that may stand for the oldest of all. */
const REPRESENTATIVE = 16;
/** More are not taken from a single stripe. */
const FEW_BLOCKS = 8;
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
  /** Of the last #oldestFrom(). */
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
    if (needed <= FEW_BLOCKS && this.#evictFrom(stripe, this.#next(), nowMs, REPRESENTATIVE)) return true;
    this.#table.unlock(stripe);
    const found = this.gather(needed, nowMs);
    this.#table.lock(stripe);
    return found;
  }

  /** Evicts until so many blocks are free. By a thread that holds no stripe. */
  gather(needed: number, nowMs: number): boolean {
    const table = this.#table;
    const { blocks } = table;
    if (needed > blocks.count) return false;
    // Each turn frees a block, or another thread was quicker.
    for (let turn = 0; turn < blocks.count && blocks.free < needed; turn++) {
      const bucket = this.#next();
      const stripe = this.#stalest(bucket, nowMs);
      if (stripe === undefined) break;
      table.lock(stripe);
      this.#evictFrom(stripe, bucket, nowMs, 1);
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
      if (this.#bucket >= table.buckets || table.counted(this.#stripe, STRIPE.expiring) === 0) {
        this.#stripe = (this.#stripe + 1) % STRIPES;
        this.#bucket = 0;
        stripes++;
        continue;
      }
      table.lock(this.#stripe);
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

  /** Of five stripes that are not empty, the one with the oldest entry from a bucket on. */
  #stalest(bucket: number, nowMs: number): number | undefined {
    const table = this.#table;
    const first = this.#next();
    let stalest: number | undefined;
    let age = -OVER;
    for (let i = 0, sampled = 0; i < STRIPES && sampled < SAMPLES; i++) {
      const stripe = (first + i) % STRIPES;
      if (table.counted(stripe, STRIPE.entries) === 0) continue;
      table.lock(stripe);
      const link = this.#oldestFrom(stripe, bucket, nowMs);
      table.unlock(stripe);
      if (link === 0) continue;
      sampled++;
      if (this.#age < age) continue;
      age = this.#age;
      stalest = stripe;
    }
    return stalest;
  }

  /** Evicts one entry of a stripe that has at least so many. */
  #evictFrom(stripe: number, bucket: number, nowMs: number, atLeast: number): boolean {
    const table = this.#table;
    if (table.counted(stripe, STRIPE.entries) < atLeast) return false;
    const link = this.#oldestFrom(stripe, bucket, nowMs);
    if (link === 0) return false;
    table.unlink(stripe, link, this.#age === OVER ? STRIPE.expired : STRIPE.evicted);
    return true;
  }

  /** The link to the oldest of the entries that are met first from a bucket on; 0 if there is none. */
  #oldestFrom(stripe: number, bucket: number, nowMs: number): number {
    const table = this.#table;
    let oldest = 0;
    this.#age = -OVER;
    for (let i = 0, seen = 0; i < table.buckets && seen < SAMPLES; i++) {
      let link = table.linkOf(stripe, bucket + i);
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

  /** A random number of 24 bits (a linear congruence: only to spread). */
  #next(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0;
    return this.#random >>> 8;
  }
}
