/**
 * Marks: a set of indexes that any thread adds to and one thread takes from, in shared memory. Adding an index that is
 * there already changes nothing, so nobody need know whether it is.
 *
 *     one word            anything is marked
 *     a bit for 32 of     which words of bits have one
 *     a bit for each      the set
 *
 * M1  Who marks sets the bit, then the bit above it, then the word; who takes clears them in the other order, each before
 *     it looks at what is below. So a bit that the taker misses is found at its next look.
 * M2  A marker that vanishes between these may leave a bit that nobody sees until another one is near it: who reaps it
 *     marks again whatever it may have been about.
 */
import type { Port } from './port.ts';

export type MarksPlace = {
  /** The word that says that there is something. */
  readonly any: number;
  /** Words of the bits, then those of the bits above them: {@link markWords} in all. */
  readonly bits: number;
  /** Indexes run from 0 to `count - 1`. */
  readonly count: number;
};

const bitWords = (count: number): number => Math.ceil(count / 32);

/** Words that the marks of `count` indexes need. */
export const markWords = (count: number): number => bitWords(count) + bitWords(bitWords(count));

export class Marks {
  readonly #port: Port;
  readonly #any: number;
  readonly #bits: number;
  readonly #above: number;
  readonly #aboveWords: number;

  constructor(port: Port, { any, bits, count }: MarksPlace) {
    this.#port = port;
    this.#any = any;
    this.#bits = bits;
    this.#above = bits + bitWords(count);
    this.#aboveWords = bitWords(bitWords(count));
  }

  /** Any thread. */
  add(index: number): void {
    const word = index >>> 5;
    this.#port.or(this.#bits + word, 1 << (index & 31));
    this.#port.or(this.#above + (word >>> 5), 1 << (word & 31));
    this.#port.store(this.#any, 1);
  }

  /** Whether a take() might find something. Any thread; the look after an announcement. */
  get isEmpty(): boolean {
    return this.#port.load(this.#any) === 0;
  }

  /** Takes all that are marked, and calls `each` with them. One thread. */
  take(each: (index: number) => void): void {
    if (this.isEmpty) return;
    this.#port.store(this.#any, 0);
    for (let i = 0; i < this.#aboveWords; i++) {
      if (this.#port.load(this.#above + i) === 0) continue;
      for (let above = this.#port.exchange(this.#above + i, 0); above !== 0; above &= above - 1) {
        const word = i * 32 + lowest(above);
        for (let bits = this.#port.exchange(this.#bits + word, 0); bits !== 0; bits &= bits - 1)
          each(word * 32 + lowest(bits));
      }
    }
  }
}

const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);
