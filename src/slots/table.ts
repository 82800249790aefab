/**
 * The slot table: the only place that changes slot words. Each method is one decision of word.ts in one
 * compare-and-swap loop; its result says what the caller must do now.
 */
import type { Port } from '../sync/port.ts';
import { type Layout, LINE, SlotWord } from './layout.ts';
import * as Word from './word.ts';
import { State } from './word.ts';

/** What a thread must do after a transition. */
export const Outcome = {
  /** The transition was not allowed: stale generation, other state. */
  REFUSED: 0,
  /** Done, and nothing to do. */
  DONE: 1,
  /** Done; the caller must push the slot's hint. */
  PUSH: 2,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export class SlotTable {
  readonly #port: Port;
  readonly #first: number;
  readonly #count: number;

  constructor(port: Port, layout: Layout) {
    this.#port = port;
    this.#first = layout.slots;
    this.#count = layout.slotCount;
  }

  get count(): number {
    return this.#count;
  }

  word(index: number): number {
    return this.#port.load(this.#at(index));
  }

  /** Flags that wait for the owner, as of a plain read: one that is set just now may be missed. Owner. */
  waitingFlags(index: number): number {
    return Word.flagsOf(this.#peek(index));
  }

  /** The word for a compare-and-swap to confirm; "nothing to do" needs a load, it is decided without one. */
  #peek(index: number): number {
    return this.#port.peek(this.#at(index));
  }

  state(index: number): Word.State {
    return Word.stateOf(this.word(index));
  }

  /** Whether the slot waits for its turn, as of a plain read. */
  isQueued(index: number): boolean {
    return Word.stateOf(this.#peek(index)) === State.QUEUED;
  }

  generation(index: number): number {
    return this.#port.peek(this.#at(index) + SlotWord.GENERATION);
  }

  /** Whether the slot is of this generation, all 32 bits of it, and that one has not ended. Any thread. */
  isOf(index: number, generation: number): boolean {
    const at = this.#at(index) + SlotWord.GENERATION;
    return this.#port.peek(at) === generation || this.#port.load(at) === generation;
  }

  /** Whether a flag waits for the owner of this registration: then a turn comes that sees what was done before. Any thread. */
  isAsked(index: number, generation: number, flag: number): boolean {
    const word = this.word(index);
    return (Word.flagsOf(word) & flag) !== 0 && Word.isGeneration(word, generation);
  }

  /** Whether the registration (index, generation) lives: it is not FREE, not CLOSING, and no later one. Any thread. */
  isLive(index: number, generation: number): boolean {
    const word = this.word(index);
    return (
      Word.isGeneration(word, generation) &&
      Word.stateOf(word) !== State.FREE &&
      Word.stateOf(word) !== State.CLOSING &&
      this.generation(index) === generation
    );
  }

  /** Whether the generation has ended and only the last steps of its owner are left: CLOSING, soon FREE. Any thread. */
  isFreeing(index: number): boolean {
    const word = this.word(index);
    const ended = !Word.isGeneration(word, this.#port.load(this.#at(index) + SlotWord.GENERATION));
    return Word.stateOf(word) === State.CLOSING && ended;
  }

  /** The owner of an active or closing slot of this generation. Any thread. */
  ownerOf(index: number, generation: number): number | undefined {
    const word = this.word(index);
    const owner = Word.ownerOf(word);
    return owner === Word.NO_OWNER || !Word.isGeneration(word, generation) ? undefined : owner;
  }

  /** FREE -> ACTIVE(me). Registrar. */
  register(index: number, me: number): boolean {
    const word = this.word(index);
    const next = Word.register(word, me);
    return next !== word && this.#swap(index, word, next);
  }

  /**
   * CLOSING(g) -> ACTIVE(me, g+1), by a registrar to whom the kernel has just given the number. Not before the owner has
   * ended the generation: an app may close a borrowed descriptor in its last handler, and the owner uses the slot after it.
   */
  takeOver(index: number, me: number): boolean {
    const word = this.word(index);
    // The word first: a generation that has ended stays ended while the word is unchanged, which the swap confirms.
    if (Word.isGeneration(word, this.#port.load(this.#at(index) + SlotWord.GENERATION))) return false;
    const next = Word.takeOver(word, me);
    return next !== word && this.#swap(index, word, next);
  }

  /** Readiness from the kernel. Poller. REFUSED means a stale event. */
  deliver(index: number, generation: number, bits: number): Outcome {
    if (!this.isOf(index, generation)) return Outcome.REFUSED;
    let word = this.#peek(index);
    for (;;) {
      const next = Word.deliver(word, generation, bits);
      if (next === word) {
        const fresh = this.word(index);
        if (fresh === word) return this.#isStale(word, generation) ? Outcome.REFUSED : Outcome.DONE;
        word = fresh;
        continue;
      }
      if (this.#swap(index, word, next)) return Word.entersQueue(word, next) ? Outcome.PUSH : Outcome.DONE;
      word = this.word(index);
    }
  }

  /** QUEUED -> ACTIVE(me). Returns the word that was claimed (its bits and flags are the caller's now), 0 if the hint is void. */
  claim(index: number, me: number): number {
    let word = this.#peek(index);
    for (;;) {
      const next = Word.claim(word, me);
      if (next === word) {
        const fresh = this.word(index);
        if (fresh === word) return 0;
        word = fresh;
        continue;
      }
      if (this.#swap(index, word, next)) return word;
      word = this.word(index);
    }
  }

  /** ARMED, QUEUED or DISABLED -> ACTIVE(me). Returns the word that was seized (its bits are the caller's now), 0 if it cannot be had. */
  seize(index: number, generation: number, me: number): number {
    if (!this.isOf(index, generation)) return 0;
    for (;;) {
      const word = this.word(index);
      const next = Word.seize(word, me);
      if (next === word || !Word.isGeneration(word, generation)) return 0;
      if (this.#swap(index, word, next)) return word;
    }
  }

  /** ACTIVE -> ARMED, QUEUED or DISABLED. Owner. REFUSED means the caller is not the owner. */
  finish(index: number, me: number, leftover: number, wanted: number, disable: boolean): Outcome {
    let word = this.#peek(index);
    for (;;) {
      const next = Word.finish(word, me, leftover, wanted, disable);
      if (next === word) {
        const fresh = this.word(index);
        if (fresh === word) return Outcome.REFUSED;
        word = fresh;
        continue;
      }
      if (this.#swap(index, word, next)) return Word.entersQueue(word, next) ? Outcome.PUSH : Outcome.DONE;
      word = this.word(index);
    }
  }

  /** Asks something of the owner. Any thread. REFUSED means the registration has ended. */
  request(index: number, generation: number, flag: number): Outcome {
    if (!this.isOf(index, generation)) return Outcome.REFUSED;
    for (;;) {
      const word = this.word(index);
      const next = Word.request(word, generation, flag);
      if (next === word) return this.#isStale(word, generation) ? Outcome.REFUSED : Outcome.DONE;
      if (this.#swap(index, word, next)) return Word.entersQueue(word, next) ? Outcome.PUSH : Outcome.DONE;
    }
  }

  /** ACTIVE -> CLOSING(me). Owner. */
  close(index: number, me: number): boolean {
    for (;;) {
      const word = this.word(index);
      const next = Word.close(word, me);
      if (next === word) return false;
      if (this.#swap(index, word, next)) return true;
    }
  }

  /**
   * Ends the generation for good; call it while CLOSING and before the number can be reused: after close(fd) a
   * registrar may take the slot over at any moment, and nothing of it may be written any more. Owner.
   */
  endGeneration(index: number): void {
    this.#port.add(this.#at(index) + SlotWord.GENERATION, 1);
  }

  /** CLOSING -> FREE(g+1), unless a registrar has taken the slot over. Owner; wakes those that wait for the end. */
  free(index: number, me: number): void {
    const word = this.word(index);
    const next = Word.free(word, me);
    if (next !== word) this.#swap(index, word, next);
    this.#port.notify(this.#at(index) + SlotWord.GENERATION, Number.POSITIVE_INFINITY);
  }

  /**
   * Takes a slot from its dead owner; `flag` is what its next turn is told. Supervisor. PUSH: push its hint; DONE: it was
   * closing and is the supervisor's now.
   */
  reap(index: number, dead: number, supervisor: number, flag: number = Word.Flag.FORCED): Outcome {
    for (;;) {
      const word = this.word(index);
      const next = Word.reap(word, dead, supervisor, flag);
      if (next === word) return Outcome.REFUSED;
      if (this.#swap(index, word, next)) return Word.entersQueue(word, next) ? Outcome.PUSH : Outcome.DONE;
    }
  }

  #isStale(word: number, generation: number): boolean {
    const state = Word.stateOf(word);
    return !Word.isGeneration(word, generation) || state === State.FREE || state === State.CLOSING;
  }

  #swap(index: number, word: number, next: number): boolean {
    return this.#port.compareExchange(this.#at(index), word, next) === word;
  }

  #at(index: number): number {
    return this.#first + index * LINE;
  }
}
