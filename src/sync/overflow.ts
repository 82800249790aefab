/**
 * Where hints go that the ring has no room for: a set of hints, one bit each, in shared memory.
 *
 * A ring of twice the slots needs it only after deaths, when hints are pushed again that may be there already; a smaller
 * ring is allowed, and then this is what keeps G5. A set and not a list: a slot has room for one link, and a hint that is
 * chained a second time would cross the chain.
 *
 * O1  Adding is one OR. A hint that is there already stays once, so whoever cannot know whether a hint was lost adds it
 *     again: a thread that vanishes at any instruction leaves nothing here that the reaper's pushes do not repair (G9).
 * O2  A hint is taken out by the one AND that clears its bit, and only then pushed into the ring. (The other way round it
 *     could be taken, queued and added again in between, and the clearing would lose it.)
 * O3  `added` is counted after the bit was set; `swept` becomes an `added` that was loaded before all bits were looked at.
 *     So while the two are equal there is no hint here but those that somebody has in hand, and will push.
 *
 * Hints come out in the order of their numbers, from behind the last one that came out: none waits longer than a round.
 */
import type { Port } from './port.ts';
import type { Ring } from './ring.ts';

export type OverflowPlace = {
  readonly added: number;
  readonly swept: number;
  /** Where the next look begins. A wrong one costs order, nothing else. */
  readonly cursor: number;
  /** First word of the bits, and how many words there are: hint h is bit h. */
  readonly bits: number;
  readonly words: number;
};

/** Words that hints up to `most` need. */
export const overflowWords = (most: number): number => (most >>> 5) + 1;

export class Overflow {
  readonly #port: Port;
  readonly #place: OverflowPlace;

  constructor(port: Port, place: OverflowPlace) {
    this.#port = port;
    this.#place = place;
  }

  /** Keeps a hint that the ring refused. Any thread, also if it is here already. */
  add(hint: number): void {
    this.#port.or(this.#place.bits + (hint >>> 5), 1 << (hint & 31));
    this.#port.add(this.#place.added, 1);
  }

  /** As isEmpty, but only an estimate: it may have changed already, in either direction. */
  get seemsEmpty(): boolean {
    return this.#port.peek(this.#place.added) === this.#port.peek(this.#place.swept);
  }

  get isEmpty(): boolean {
    return this.#port.load(this.#place.added) === this.#port.load(this.#place.swept);
  }

  /** How many hints ever came here. */
  get count(): number {
    return this.#port.load(this.#place.added) >>> 0;
  }

  /** Moves hints into the ring while it has room. Any thread. */
  refill(ring: Ring): void {
    const port = this.#port;
    const { added, swept, cursor, bits, words } = this.#place;
    const seen = port.load(added);
    if (port.load(swept) === seen) return;
    const from = port.peek(cursor);
    // The word in which the look begins comes twice: at first only from the cursor on.
    for (let i = 0, mask = -1 << (from & 31); i <= words; i++, mask = -1) {
      const word = ((from >>> 5) + i) % words;
      for (let found = port.peek(bits + word) & mask; found !== 0; found = port.peek(bits + word) & mask) {
        if (ring.length >= ring.capacity) return;
        const bit = found & -found;
        if ((port.and(bits + word, ~bit) & bit) === 0) continue;
        const hint = word * 32 + 31 - Math.clz32(bit);
        if (!ring.push(hint)) {
          this.add(hint);
          return;
        }
        port.store(cursor, hint + 1);
      }
    }
    port.store(swept, seen);
  }
}
