/**
 * The user word of a slot: what other threads have posted to it and no handler has been given yet.
 *
 *     { 0 : 1, generation : 7, claimed : 1, value : 23 }      the first bit tells it from a listener's family word
 *
 * U1  A value is posted by one CAS that carries the generation: it never reaches the next registration of the slot.
 *     (Seven bits: a poster that sleeps between its load and its CAS while the slot is reused 64 times could err.)
 * U2  A value is taken by one CAS, so it is given to a handler exactly once. `claimed` stays set while that handler runs:
 *     if its worker dies, the reaper knows that a value is lost and says so. (Posts that count are taken otherwise: units.ts.)
 * U3  Who posts where nothing waited then sets Flag.USER in the slot's word; who takes has claimed the flag before, and takes
 *     all, or sets it again. So a value that comes too late for one turn brings another one. Who joins what waits need not
 *     set it: it is set or about to be, or the owner is in a turn that takes it, or the slot is silent, and what ends the
 *     silence brings a turn.
 * U4  The take of the last delivery closes the word in the same CAS, by a generation that is none of its neighbours': what
 *     is posted before it is in that delivery, and a post after it is told to be stale.
 */
import type { Port } from '../sync/port.ts';
import { type Layout, SlotWord } from './layout.ts';

const GENERATION_SHIFT = 24;
const GENERATION_MASK = 0x7f;
/** The highest bit of the generation: a closed word carries it the other way round. */
const CLOSED = 0x40;
export const CLAIMED: number = 1 << 23;
const VALUE_MASK = CLAIMED - 1;

export const MAX_USER_VALUE: number = VALUE_MASK;

/** How a value that is posted joins those that wait. */
export const Merge = { OR: 0, ADD: 1, LAST: 2, COUNT: 3 } as const;
export type Merge = (typeof Merge)[keyof typeof Merge];

/** What became of a post. */
export const Posted = {
  DONE: 0,
  /** The registration has ended. */
  STALE: 1,
  /** The sum of what waits would be larger than MAX_USER_VALUE: nothing has changed. */
  FULL: 2,
  /** Done, and something waited already: its poster asks for the turn. */
  JOINED: 3,
} as const;
export type Posted = (typeof Posted)[keyof typeof Posted];

export const emptyUserWord = (generation: number): number =>
  (generation & GENERATION_MASK) << GENERATION_SHIFT;
/** As far from the generation as can be, before and after: the next one's handles may be about already. */
export const closedUserWord = (generation: number): number => emptyUserWord(generation ^ CLOSED);
export const isUserWordOf = (word: number, generation: number): boolean =>
  word >>> GENERATION_SHIFT === (generation & GENERATION_MASK);
export const valueOf = (word: number): number => word & VALUE_MASK;
export const isClaimed = (word: number): boolean => (word & CLAIMED) !== 0;

/** What waits after a post; more than MAX_USER_VALUE for a sum that does not fit. Pure. */
export function merged(value: number, merge: Merge, posted: number): number {
  switch (merge) {
    case Merge.OR:
      return value | posted;
    case Merge.LAST:
      return posted;
    case Merge.ADD:
    case Merge.COUNT:
      return value + posted;
  }
}

/** The post itself, to the user word at `at`; who is told that he JOINED need not ask for a turn. Any thread. */
export function postTo(port: Port, at: number, generation: number, merge: Merge, value: number): Posted {
  let word = port.peek(at);
  for (;;) {
    if (!isUserWordOf(word, generation)) {
      const fresh = port.load(at);
      if (fresh === word) return Posted.STALE;
      word = fresh;
      continue;
    }
    const waiting = valueOf(word);
    const next = merged(waiting, merge, value);
    if (next > VALUE_MASK) return Posted.FULL;
    const found = port.compareExchange(at, word, (word & ~VALUE_MASK) | next);
    if (found === word) return waiting === 0 ? Posted.DONE : Posted.JOINED;
    word = found;
  }
}

export class UserWords {
  readonly #port: Port;
  readonly #first: number;
  readonly #stride: number;

  constructor(port: Port, layout: Layout) {
    this.#port = port;
    this.#first = layout.slot(0) + SlotWord.USER;
    this.#stride = layout.slot(1) - layout.slot(0);
  }

  /** Posts `value` (1 to MAX_USER_VALUE). Any thread; the caller then asks for a turn with Flag.USER. */
  post(index: number, generation: number, merge: Merge, value: number): Posted {
    return postTo(this.#port, this.#at(index), generation, merge, value);
  }

  /**
   * Takes what waits and marks it as claimed. 0 if nothing waits: then nothing is marked. Owner of the slot; it calls
   * settle() when the handler is done.
   */
  take(index: number): number {
    const at = this.#at(index);
    let word = this.#port.peek(at);
    for (;;) {
      const value = valueOf(word);
      if (value === 0) {
        // "Nothing waits" is decided by a load, anything else confirmed by the swap.
        word = this.#port.load(at);
        if (valueOf(word) === 0) return 0;
        continue;
      }
      const found = this.#port.compareExchange(at, word, (word - value) | CLAIMED);
      if (found === word) return value;
      word = found;
    }
  }

  /**
   * As take(), for the last delivery of this generation: what is posted later is stale. Owner of the slot,
   * while it is CLOSING.
   */
  takeLast(index: number, generation: number): number {
    const at = this.#at(index);
    const closed = closedUserWord(generation);
    for (;;) {
      const word = this.#port.load(at);
      const value = valueOf(word);
      if (this.#port.compareExchange(at, word, value === 0 ? closed : closed | CLAIMED) === word)
        return value;
    }
  }

  /** The handler that was given a value is done. Owner of the slot. */
  settle(index: number): void {
    this.#port.and(this.#at(index), ~CLAIMED);
  }

  /** What waits now. Any thread. */
  waiting(index: number): number {
    return valueOf(this.#port.load(this.#at(index)));
  }

  /** Takes the mark of a dead worker; true if a value was lost with it. Supervisor. */
  reap(index: number): boolean {
    return isClaimed(this.#port.and(this.#at(index), ~CLAIMED));
  }

  /**
   * As reap(), of a worker that died while it ended the slot: there is no other delivery, so what it had not taken is lost
   * too. Supervisor.
   */
  reapLast(index: number, generation: number): boolean {
    const word = this.#port.exchange(this.#at(index), closedUserWord(generation));
    return isClaimed(word) || valueOf(word) !== 0;
  }

  #at(index: number): number {
    return this.#first + index * this.#stride;
  }
}
