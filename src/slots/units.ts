/**
 * Posts that count: each of them is delivered by itself. To take each by itself too would fetch the user word from its
 * posters for every call of a handler (100 ns); so the owner delivers a run of them between two changes of the word.
 *
 *     begin:   lane = { slot, 0 };  one CAS: claimed is set, the value stays     (how many may be delivered)
 *     start:   lane = { slot, n }                                                (then the n-th call)
 *     settle:  one operation: n out of the value, claimed cleared;  no lane      (what waits now)
 *
 * The lane is two words in the line of the owner, a worker; nobody looks at them while it lives.
 *
 * N1  Units leave the value when their calls are over. Those that were not begun are given back by doing nothing.
 * N2  They leave it by the operation that clears `claimed`: a reaper that finds the mark knows that those which were begun
 *     are still in the value, and takes them out. The last of them is lost (U2), the others are handled.
 * N3  While the call of a unit waits for its promise, the lane serves other slots: then the slot itself holds the number. It
 *     is written there first, so that at any instruction one of the two tells it.
 * N4  A post that comes before settle() is seen by it, and the owner asks for a turn; one that comes after it does (U3).
 */
import type { Port } from '../sync/port.ts';
import { type Layout, Owner, SlotWord, WorkerWord } from './layout.ts';
import { CLAIMED, isClaimed, valueOf } from './user.ts';

/** Longest run: so many units may count as waiting although they are delivered. */
export const MOST_UNITS = 256;
const NO_SLOT = 0;
const lineOf = (layout: Layout, owner: number): number => layout.worker(owner - Owner.FIRST_WORKER);

export class Units {
  readonly #port: Port;
  readonly #layout: Layout;
  readonly #line: number;

  /** `me` is the owner that this thread is; only workers have a lane, and need one. */
  constructor(port: Port, layout: Layout, me: number) {
    this.#port = port;
    this.#layout = layout;
    this.#line = lineOf(layout, me);
  }

  /** Begins a run. Returns how many units may be started, 0 if nothing waits: then there is no run. Owner. */
  begin(index: number): number {
    const port = this.#port;
    const at = this.#userAt(index);
    port.poke(this.#line + WorkerWord.UNITS, 0);
    port.poke(this.#line + WorkerWord.UNITS_OF, index + 1);
    let word = port.peek(at);
    for (;;) {
      if (valueOf(word) === 0) {
        // "Nothing waits" is decided by a load, anything else confirmed by the swap.
        word = port.load(at);
        if (valueOf(word) === 0) break;
        continue;
      }
      const found = port.compareExchange(at, word, word | CLAIMED);
      if (found === word) return Math.min(valueOf(word), MOST_UNITS);
      word = found;
    }
    port.poke(this.#line + WorkerWord.UNITS_OF, NO_SLOT);
    return 0;
  }

  /** The n-th call of this run comes now. Owner. */
  start(unit: number): void {
    this.#port.poke(this.#line + WorkerWord.UNITS, unit);
  }

  /** The last call of this run goes on for a while, and this thread with other slots. Owner. */
  park(index: number, begun: number): void {
    this.#port.poke(this.#layout.slot(index) + SlotWord.BEGUN, begun);
    this.#port.poke(this.#line + WorkerWord.UNITS_OF, NO_SLOT);
  }

  /** Ends a run of so many calls. Returns what waits now. Owner. */
  settle(index: number, begun: number): number {
    const word = this.#port.add(this.#userAt(index), -(begun + CLAIMED));
    // A run that was parked has none any more.
    if (this.#port.peek(this.#line + WorkerWord.UNITS_OF) === index + 1)
      this.#port.poke(this.#line + WorkerWord.UNITS_OF, NO_SLOT);
    return valueOf(word) - begun;
  }

  /** Ends the run of a dead owner. True if a unit was lost with it. Supervisor. */
  reap(index: number, dead: number): boolean {
    const port = this.#port;
    const at = this.#userAt(index);
    const line = lineOf(this.#layout, dead);
    const isInLane = port.load(line + WorkerWord.UNITS_OF) === index + 1;
    const begun = port.load(isInLane ? line + WorkerWord.UNITS : this.#layout.slot(index) + SlotWord.BEGUN);
    for (;;) {
      const word = port.load(at);
      if (!isClaimed(word)) return false;
      if (port.compareExchange(at, word, (word & ~CLAIMED) - begun) === word) return begun !== 0;
    }
  }

  #userAt(index: number): number {
    return this.#layout.slot(index) + SlotWord.USER;
  }
}
