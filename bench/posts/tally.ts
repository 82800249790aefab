/** What has been handled, in memory that all threads share, and how one waits until all of it was. */
const HANDLED = 0;
const TARGET = 1;
const DONE = 2;
const LENGTH = 32;
const patienceMs = 60_000;

export class Tally {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LENGTH * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Before the first post of a run of `target`. */
  begin(target: number): void {
    this.#words[HANDLED] = 0;
    this.#words[TARGET] = target;
    Atomics.store(this.#words, DONE, 0);
  }

  /** Counts where one handler runs at a time: no atomic operation is needed for the sum. */
  add(count: number): void {
    const handled = (this.#words[HANDLED] ?? 0) + count;
    this.#words[HANDLED] = handled;
    if (handled === this.#words[TARGET]) this.#finish();
  }

  /** Counts where handlers run in parallel. */
  addShared(count: number): void {
    if (Atomics.add(this.#words, HANDLED, count) + count === this.#words[TARGET]) this.#finish();
  }

  /** Sleeps until the target was reached. */
  wait(): void {
    // Woken is not done: a notification may be that of the run before.
    while (Atomics.load(this.#words, DONE) === 0) {
      if (Atomics.wait(this.#words, DONE, 0, patienceMs) !== 'timed-out') continue;
      throw new Error(`${this.#words[HANDLED]} of ${this.#words[TARGET]} were handled in ${patienceMs} ms`);
    }
  }

  /** Sleeps for a moment, for a poster that meets a full queue. */
  pause(): void {
    Atomics.wait(this.#words, DONE, 0, 0.05);
  }

  #finish(): void {
    Atomics.store(this.#words, DONE, 1);
    Atomics.notify(this.#words, DONE);
  }
}
