/**
 * The data of the cache: keys and values of up to 1 MiB in one SharedArrayBuffer, used by any number of threads.
 *
 *     const memory = createMemory(64 * 2 ** 20);            // one thread; the others are sent it
 *     const store = new Store(memory);                      // each thread
 *     store.set(sliceOf(key), sliceOf(value));              // 'stored', 'kept', 'too-large', 'out-of-memory'
 *     store.get(sliceOf(key), sink);                        // copies the value into the sink
 *     setInterval(() => store.maintain(), 100).unref();     // one thread or each
 *
 * Each operation is atomic, mset() and mget() too. Full memory evicts what was not used for longest, about. Keys and values are
 * slices of any buffer, times are milliseconds of the clock `now`. For workers: the main thread, which cannot wait for locks, may use
 * it while no other thread does.
 *
 * A thread may die at any instruction. What it held is the next one's as soon as its death is known (wakeone/sync). Then a key
 * that it was changing in place (the same number of blocks, incrBy, append) is gone, everything else is there, whole.
 *
 * Own, since no package did (tried in 2026): lmdb 3.5 (11 us for a set, keys up to 1978 bytes, evicts nothing, a worker in a
 * transaction cannot be terminated), sharedmap 1.2 (2-3 us, strings of a fixed size, whoever dies with a lock blocks all),
 * ems 1.6 (0.9 us, strings that are never removed; to be compiled), megahash 1.0 (a map for each thread), node-shared-cache
 * 1.6 (does not compile with Node 20).
 */
import { threadId } from 'node:worker_threads';
import { makeError, show } from '../../src/errors.ts';
import { blocksFor } from './blocks.ts';
import { addTo, appendTo, type NoRoom, type NotNumber } from './changes.ts';
import { Eviction, TRIES } from './eviction.ts';
import { hashOf } from './hash.ts';
import { HEADER, MAX_BYTES, STRIPE, STRIPES } from './layout.ts';
import { lengthOf, type Slice, sliceOf } from './slice.ts';
import { StripeSet } from './stripe-set.ts';
import { clearAll, sweep } from './sweep.ts';
import { stripeOf, Table } from './table.ts';

export { createMemory, MAX_BYTES, MAX_STORE_BYTES, MIN_STORE_BYTES } from './layout.ts';
export type { NoRoom, NotNumber } from './changes.ts';
export { type Slice, sliceOf } from './slice.ts';

/** Who wants values. Called while the store is locked: must not use it, and be quick. */
export type Sink = {
  /** Where the bytes go; looked at after value(), which may have replaced it. */
  bytes: Uint8Array;
  /** Makes room for a value. Where it begins. */
  value(length: number): number;
  /** mget(): there is none. */
  missing(): void;
};

export type Condition = 'always' | 'absent' | 'present';
export type StoreOptions = { readonly now?: () => number };
export type StoreStats = {
  readonly entries: number;
  readonly usedBytes: number;
  readonly totalBytes: number;
  readonly evicted: number;
  readonly expired: number;
};

const BUCKETS_A_TURN = 4096;
const NO_KEY: Slice = sliceOf(new Uint8Array(0));

export class Store {
  readonly #table: Table;
  readonly #eviction: Eviction;
  readonly #now: () => number;
  readonly #seed0: number;
  readonly #seed1: number;
  readonly #stripes: StripeSet;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedArrayBuffer, { now = Date.now }: StoreOptions = {}) {
    this.#table = new Table(memory);
    this.#eviction = new Eviction(this.#table, threadId + 1);
    this.#stripes = new StripeSet(this.#table);
    this.#now = now;
    const header = new Int32Array(memory);
    this.#seed0 = header[HEADER.seed0] ?? 0;
    this.#seed1 = header[HEADER.seed1] ?? 0;
  }

  /** Copies the value of a key into `sink`. False if there is none. */
  get(key: Slice, sink: Sink): boolean {
    const hash = this.#hash(key);
    const stripe = stripeOf(hash);
    this.#table.lock(stripe);
    try {
      return this.#read(hash, key, sink, this.#now());
    } finally {
      this.#table.unlock(stripe);
    }
  }

  /** Sets a key, on a condition. `expiresAtMs` is when its time is over, 0: never. 'kept': the condition was not met. */
  set(key: Slice, value: Slice, expiresAtMs = 0, when: Condition = 'always'): 'stored' | 'kept' | NoRoom {
    const needed = this.#blocksFor(key, lengthOf(value));
    if (needed === 0) return 'too-large';
    const hash = this.#hash(key);
    const stripe = stripeOf(hash);
    const now = this.#now();
    const table = this.#table;
    table.lock(stripe);
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const entry = table.find(hash, key, now);
        if (when !== 'always' && (entry === 0) !== (when === 'absent')) return 'kept';
        if (table.put(hash, key, value, expiresAtMs, now, entry)) return 'stored';
        if (!this.#eviction.makeRoom(stripe, needed, now)) break;
      }
      return 'out-of-memory';
    } finally {
      table.unlock(stripe);
    }
  }

  /** Removes a key. False if there was none. */
  del(key: Slice): boolean {
    const hash = this.#lockKey(key);
    try {
      const found = this.#table.find(hash, key, this.#now()) !== 0;
      if (found) this.#table.remove(hash);
      return found;
    } finally {
      this.#table.unlock(stripeOf(hash));
    }
  }

  exists(key: Slice): boolean {
    return this.valueLength(key) !== undefined;
  }

  /** Length of a key's value; undefined if there is none. */
  valueLength(key: Slice): number | undefined {
    const hash = this.#lockKey(key);
    try {
      const entry = this.#table.find(hash, key, this.#now());
      return entry === 0 ? undefined : this.#table.valueLengthOf(entry);
    } finally {
      this.#table.unlock(stripeOf(hash));
    }
  }

  /**
   * Adds to a decimal number of 64 bits, a missing one being 0. The sum, a bigint if a number is not exact; the time of
   * the key stays. @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  incrBy(key: Slice, delta: number | bigint): number | bigint | NotNumber | NoRoom {
    if (typeof delta === 'number' && !Number.isSafeInteger(delta))
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'delta', 'a safe integer or a bigint', show(delta));
    if (lengthOf(key) > MAX_BYTES) return 'too-large';
    const hash = this.#lockKey(key);
    try {
      return addTo(this.#table, this.#eviction, hash, key, delta, this.#now());
    } finally {
      this.#table.unlock(stripeOf(hash));
    }
  }

  /** Appends to a value, a missing one being empty. Its length; the time of the key stays. */
  append(key: Slice, value: Slice): number | NoRoom {
    if (this.#blocksFor(key, lengthOf(value)) === 0) return 'too-large';
    const hash = this.#lockKey(key);
    try {
      return appendTo(this.#table, this.#eviction, hash, key, value, this.#now());
    } finally {
      this.#table.unlock(stripeOf(hash));
    }
  }

  /** Sets when a key's time is over, 0: never; a time that is past removes it. False if there is none. */
  expire(key: Slice, expiresAtMs: number): boolean {
    const hash = this.#lockKey(key);
    const table = this.#table;
    try {
      const now = this.#now();
      const entry = table.find(hash, key, now);
      if (entry === 0) return false;
      if (expiresAtMs !== 0 && expiresAtMs <= now) table.remove(hash);
      else table.setExpiry(stripeOf(hash), entry, expiresAtMs);
      return true;
    } finally {
      table.unlock(stripeOf(hash));
    }
  }

  /** How many milliseconds a key has left. */
  ttl(key: Slice): number | 'no-expiry' | 'missing' {
    const hash = this.#lockKey(key);
    try {
      const now = this.#now();
      const entry = this.#table.find(hash, key, now);
      if (entry === 0) return 'missing';
      const expiresAtMs = this.#table.expiryOf(entry);
      return expiresAtMs === 0 ? 'no-expiry' : expiresAtMs - now;
    } finally {
      this.#table.unlock(stripeOf(hash));
    }
  }

  /** Gives the sink the values of keys[from] to keys[to - 1] in this order, all as they were at one moment. */
  mget(keys: readonly Slice[], from: number, to: number, sink: Sink): void {
    this.#lockKeys(keys, from, to, 1);
    try {
      const now = this.#now();
      for (let i = from; i < to; i++) {
        const key = keys[i] ?? NO_KEY;
        if (!this.#read(this.#hash(key), key, sink, now)) sink.missing();
      }
    } finally {
      this.#stripes.unlock();
    }
  }

  /** Sets args[from] to args[from + 1] and so on, up to args[to - 1]: all of them or none, at one moment for others. */
  mset(args: readonly Slice[], from: number, to: number): 'stored' | NoRoom {
    let needed = 0;
    for (let i = from; i < to; i += 2) {
      const blocks = this.#blocksFor(args[i] ?? NO_KEY, lengthOf(args[i + 1] ?? NO_KEY));
      if (blocks === 0) return 'too-large';
      needed += blocks;
    }
    if (needed === 0) return 'stored';
    const now = this.#now();
    for (let tries = 0; tries < TRIES; tries++) {
      if (!this.#eviction.gather(needed, now)) return 'out-of-memory';
      this.#lockKeys(args, from, to, 2);
      try {
        const chain = this.#table.blocks.take(needed);
        if (chain === 0) continue;
        this.#putAll(args, from, to, chain, now);
        return 'stored';
      } finally {
        this.#stripes.unlock();
      }
    }
    return 'out-of-memory';
  }

  /** Removes everything. */
  flush(): void {
    clearAll(this.#table);
  }

  /** How many keys there are; keys whose time is over count until they are met. */
  get size(): number {
    return this.#sum(STRIPE.entries);
  }

  /** How many of them have a time. */
  get expiring(): number {
    return this.#sum(STRIPE.expiring);
  }

  stats(): StoreStats {
    const { blocks } = this.#table;
    return {
      entries: this.size,
      usedBytes: blocks.bytesOf(blocks.count - blocks.free),
      totalBytes: blocks.bytesOf(blocks.count),
      evicted: this.#sum(STRIPE.evicted),
      expired: this.#sum(STRIPE.expired),
    };
  }

  /** What a timer does now and then: removes some keys whose time is over, finds lost memory. Does not wait for locks. */
  maintain(): void {
    this.#eviction.expireSome(BUCKETS_A_TURN, this.#now());
    sweep(this.#table);
  }

  #read(hash: number, key: Slice, sink: Sink, now: number): boolean {
    const table = this.#table;
    const entry = table.find(hash, key, now);
    if (entry === 0) return false;
    table.touch(entry, now);
    const length = table.valueLengthOf(entry);
    const at = sink.value(length);
    table.blocks.read(entry, table.keyLengthOf(entry), length, sink.bytes, at);
    return true;
  }

  #putAll(args: readonly Slice[], from: number, to: number, chain: number, now: number): void {
    const table = this.#table;
    for (let i = from, rest = chain; i < to; i += 2) {
      const key = args[i] ?? NO_KEY;
      const value = args[i + 1] ?? NO_KEY;
      const hash = this.#hash(key);
      const mine = rest;
      rest = table.blocks.cut(mine, blocksFor(lengthOf(key) + lengthOf(value)));
      table.put(hash, key, value, 0, now, table.find(hash, key, now), mine);
    }
  }

  /** What an entry takes; 0 if the key or the value is too large. */
  #blocksFor(key: Slice, valueLength: number): number {
    const keyLength = lengthOf(key);
    return keyLength > MAX_BYTES || valueLength > MAX_BYTES ? 0 : blocksFor(keyLength + valueLength);
  }

  #hash(key: Slice): number {
    lengthOf(key);
    return hashOf(key, this.#seed0, this.#seed1);
  }

  /** Locks the stripe of a key. The key's hash. */
  #lockKey(key: Slice): number {
    const hash = this.#hash(key);
    this.#table.lock(stripeOf(hash));
    return hash;
  }

  /** Locks the stripes of every `step`-th slice. */
  #lockKeys(keys: readonly Slice[], from: number, to: number, step: number): void {
    this.#stripes.clear();
    for (let i = from; i < to; i += step) this.#stripes.add(stripeOf(this.#hash(keys[i] ?? NO_KEY)));
    this.#stripes.lock();
  }

  #sum(counter: number): number {
    let sum = 0;
    for (let stripe = 0; stripe < STRIPES; stripe++) sum += this.#table.counted(stripe, counter);
    return sum;
  }
}
