/** The test's side of handlers/journal.mjs. */

const COUNTERS_AT = 16;
const CELLS_AT = 1024;
const CELL_WORDS = 128;
const CELLS = 16_384;
const DEADLINE_MS = 10_000;

export type Entry = {
  readonly worker: number;
  readonly on: string;
  readonly fd?: number;
  readonly generation?: number;
  readonly [field: string]: unknown;
};

export class Journal {
  readonly memory = new SharedArrayBuffer((CELLS_AT + CELLS * CELL_WORDS) * 4);
  readonly #words = new Int32Array(this.memory);
  readonly #bytes = new Uint8Array(this.memory);

  /** All entries so far, in the order in which they were begun. */
  get entries(): Entry[] {
    const entries: Entry[] = [];
    for (let cell = 0; cell < Atomics.load(this.#words, 0); cell++) {
      const at = CELLS_AT + cell * CELL_WORDS;
      const length = Atomics.load(this.#words, at);
      if (length === 0) continue;
      const text = Buffer.from(this.#bytes.slice(at * 4 + 4, at * 4 + 4 + length)).toString();
      entries.push(JSON.parse(text) as Entry);
    }
    return entries;
  }

  /** Entries of one kind. */
  all(on: string): Entry[] {
    return this.entries.filter((entry) => entry.on === on);
  }

  /** Waits until there are `least` entries of a kind; returns them. */
  async until(on: string, least = 1): Promise<Entry[]> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const published = Atomics.load(this.#words, 1);
      const found = this.all(on);
      if (found.length >= least) return found;
      const left = deadline - performance.now();
      if (left <= 0) {
        const seen = this.entries.slice(-30).map((entry) => JSON.stringify(entry));
        throw new Error(`${found.length} of ${least} '${on}' in the journal:\n${seen.join('\n')}`);
      }
      await Atomics.waitAsync(this.#words, 1, published, left).value;
    }
  }

  /** Value of a counter. */
  counted(counter: number): number {
    return Atomics.load(this.#words, COUNTERS_AT + counter);
  }

  /** Waits until a counter is at least `least`. */
  async untilCounted(counter: number, least: number, deadlineMs = DEADLINE_MS): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const value = this.counted(counter);
      if (value >= least) return;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`counter ${counter} is at ${value}, not at ${least}`);
      await Atomics.waitAsync(this.#words, COUNTERS_AT + counter, value, left).value;
    }
  }

  /** Sets a counter; handlers that wait at it as a gate go on. */
  set(counter: number, value: number): void {
    Atomics.store(this.#words, COUNTERS_AT + counter, value);
    Atomics.notify(this.#words, COUNTERS_AT + counter);
  }
}
