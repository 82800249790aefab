/**
 * Posts to one registration, time and again: where its words are is worked out once, and the loop of a poster is short
 * enough to be inlined (14 ns a post, of which the swap is 9; by UserWords and SlotTable it is 25).
 */
import type { Port } from '../sync/port.ts';
import { type Layout, SlotWord } from './layout.ts';
import { type Merge, Posted, postTo } from './user.ts';
import { State, stateOf } from './word.ts';

export class Poster {
  readonly #port: Port;
  readonly #merge: Merge;
  readonly #generation: number;
  readonly #wordAt: number;
  readonly #generationAt: number;
  readonly #userAt: number;

  constructor(port: Port, layout: Layout, index: number, generation: number, merge: Merge) {
    this.#port = port;
    this.#merge = merge;
    this.#generation = generation;
    this.#wordAt = layout.slot(index) + SlotWord.WORD;
    this.#generationAt = layout.slot(index) + SlotWord.GENERATION;
    this.#userAt = layout.slot(index) + SlotWord.USER;
  }

  /** Posts `value` (1 to MAX_USER_VALUE). Any thread; if it is DONE, the caller asks for a turn with Flag.USER. */
  post(value: number): Posted {
    const port = this.#port;
    const generation = this.#generation;
    // All 32 bits: the user word knows seven of them.
    if (port.peek(this.#generationAt) !== generation && port.load(this.#generationAt) !== generation)
      return Posted.STALE;
    const posted = postTo(port, this.#userAt, generation, this.#merge, value);
    if (posted !== Posted.JOINED) return posted;
    // Most posts. Another one asks for the turn (U3); only if that seems to take its time does this one too.
    return stateOf(port.peek(this.#wordAt)) === State.ARMED ? Posted.DONE : Posted.JOINED;
  }
}
