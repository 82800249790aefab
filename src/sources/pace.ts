/**
 * How long a turn goes on that calls its handler again and again. To look at the clock (66 ns) and at a slot that others
 * write to (100 ns) after each call would cost more than a short handler: so a look is due about once in LOOK_MS.
 */

/** How long a turn goes on with posts that count. */
const TURN_MS = 1;
const LOOK_MS = 0.002;
const MOST_CALLS = 64;

/** Calls until the next look, when the last `calls` took so long. Pure. */
export const callsUntilLook = (calls: number, tookMs: number): number =>
  Math.max(1, Math.min(MOST_CALLS, Math.floor((calls * LOOK_MS) / tookMs)));

export class Pace {
  readonly #began: number = performance.now();
  #lookedAt: number = this.#began;
  /** Between the last look and the next one, and how many of these are left. */
  #calls = 1;
  #left = 1;

  /** Counts a call. Whether a look is due after it. */
  isDue(): boolean {
    return --this.#left === 0;
  }

  /** Looks at the clock: whether the turn has lasted long enough. */
  isOver(): boolean {
    const now = performance.now();
    this.#calls = callsUntilLook(this.#calls - this.#left, now - this.#lookedAt);
    this.#left = this.#calls;
    this.#lookedAt = now;
    return now - this.#began >= TURN_MS;
  }
}
