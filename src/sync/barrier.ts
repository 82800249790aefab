/**
 * A barrier: so many arrive, then all go on, and it is closed again.
 *
 *     one word { round : 16, arrived : 16 }
 *
 * B1  To arrive is one CAS. The last one's begins the next round, and it wakes all.
 * B2  Who waits sleeps while the word is what it saw, and goes on when the round is another one. Arrivals change the word
 *     and wake nobody.
 * B3  Who gives up takes its arrival back by a CAS in the same round; if the round is over it has not given up.
 * B4  An arrival counts also if its thread dies then.
 */
import type { Port } from './port.ts';
import { ALL, type Steps } from './waiting.ts';

const COUNT_BITS = 16;
const COUNT_MASK = (1 << COUNT_BITS) - 1;

export const MOST_PARTIES: number = COUNT_MASK;

const roundOf = (word: number): number => word >>> COUNT_BITS;

export class Barrier {
  readonly #port: Port;
  readonly #at: number;
  readonly #parties: number;

  constructor(port: Port, at: number, parties: number) {
    this.#port = port;
    this.#at = at;
    this.#parties = parties;
  }

  /** Arrives, and waits for the others. */
  *arriving(): Steps {
    const port = this.#port;
    const round = this.#arrive();
    if (round === undefined) return true;
    for (;;) {
      const value = port.load(this.#at);
      if (roundOf(value) !== round) return true;
      if (yield { at: this.#at, value }) return !this.#withdraw(round);
    }
  }

  /** How many wait. Any thread. */
  get arrived(): number {
    return this.#port.load(this.#at) & COUNT_MASK;
  }

  /** The round in which to wait; undefined for the last one. */
  #arrive(): number | undefined {
    const port = this.#port;
    for (;;) {
      const word = port.load(this.#at);
      const isLast = (word & COUNT_MASK) + 1 >= this.#parties;
      const next = isLast ? ((roundOf(word) + 1) << COUNT_BITS) | 0 : word + 1;
      if (port.compareExchange(this.#at, word, next) !== word) continue;
      if (!isLast) return roundOf(word);
      port.notify(this.#at, ALL);
      return undefined;
    }
  }

  /** Whether the round goes on without this one. */
  #withdraw(round: number): boolean {
    for (;;) {
      const word = this.#port.load(this.#at);
      if (roundOf(word) !== round) return false;
      if (this.#port.compareExchange(this.#at, word, word - 1) === word) return true;
    }
  }
}
