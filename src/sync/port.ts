/**
 * The port through which the library's protocols touch shared memory.
 *
 * Every protocol word is read and written through a `Port`, never through `Atomics` directly: the interleaving
 * explorer of the tests replaces the port and then drives the *real* code of ring, parking lot, mutex and slots
 * through all schedules. JS Atomics are sequentially consistent, so an exploration at the granularity of port calls
 * is exact.
 *
 * `at` is an index of 32-bit words. Measured on Node 20: load 9 ns, store/add/CAS 11-16 ns, notify without a
 * sleeper 75 ns.
 */
export interface Port {
  load(at: number): number;
  /**
   * A plain read (2 ns against 9): as fresh as any read of this one word, but not ordered with other words. For values
   * that a compareExchange confirms, and for estimates; never for "announce, look again".
   */
  peek(at: number): number;
  store(at: number, value: number): void;
  /**
   * A plain store (2 ns against 12), in the order of this thread's other changes but seen by others when it may be. For a
   * word that only this thread changes, and that others look at when it is over.
   */
  poke(at: number, value: number): void;
  /** Returns the value that was there; the exchange has happened if that is `expected`. */
  compareExchange(at: number, expected: number, value: number): number;
  exchange(at: number, value: number): number;
  add(at: number, value: number): number;
  or(at: number, bits: number): number;
  and(at: number, bits: number): number;
  /** Sleeps while the word is `value`, at most `timeoutMs`. May return early for no reason: callers look again. */
  wait(at: number, value: number, timeoutMs: number): WaitResult;
  /** Wakes up to `count` sleepers of the word. */
  notify(at: number, count: number): number;
}

export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

/** The port of production: `Atomics` over one `Int32Array` in a SharedArrayBuffer. */
export class AtomicsPort implements Port {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  load(at: number): number {
    return Atomics.load(this.words, at);
  }

  peek(at: number): number {
    return this.words[at] ?? 0;
  }

  store(at: number, value: number): void {
    Atomics.store(this.words, at, value);
  }

  poke(at: number, value: number): void {
    this.words[at] = value;
  }

  compareExchange(at: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.words, at, expected, value);
  }

  exchange(at: number, value: number): number {
    return Atomics.exchange(this.words, at, value);
  }

  add(at: number, value: number): number {
    return Atomics.add(this.words, at, value);
  }

  or(at: number, bits: number): number {
    return Atomics.or(this.words, at, bits);
  }

  and(at: number, bits: number): number {
    return Atomics.and(this.words, at, bits);
  }

  wait(at: number, value: number, timeoutMs: number): WaitResult {
    return Atomics.wait(this.words, at, value, timeoutMs);
  }

  notify(at: number, count: number): number {
    return Atomics.notify(this.words, at, count);
  }
}
