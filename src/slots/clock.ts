/**
 * The pool's clock: milliseconds since the pool was made, the same in all its threads, never set back.
 *
 * A *stamp* is a moment in one Int32 word: whole milliseconds, modulo 2^32. Stamps are compared by the sign of their
 * difference, so two that are compared lie less than 2^31 ms (24 days) apart; no timeout is longer than half of that.
 * Stamps are rounded up: at `stampAt(t)` the moment t has come. Two values are left out, for "none" and "over".
 */
import { Word } from './layout.ts';

/** No moment: nothing is due. */
export const NO_STAMP = 0;
/** Of a timer: it has ended, and nothing will ever be due. */
export const STAMP_OVER = 1;
const FIRST_STAMP = 2;

/** The longest timeout. */
export const MAX_TIMEOUT_MS: number = 2 ** 30;

/** The stamp of a moment, not before it. Pure. */
export function stampAt(ms: number): number {
  const stamp = Math.ceil(ms) | 0;
  return stamp === NO_STAMP || stamp === STAMP_OVER ? FIRST_STAMP : stamp;
}

/** Whole milliseconds from `from` to `to`; negative if `to` is earlier. Pure. */
export const stampDistance = (from: number, to: number): number => (to - from) | 0;

/** The moment of a stamp that is less than 2^31 ms away from `now`. Pure. */
export function momentOf(stamp: number, now: number): number {
  const whole = Math.floor(now);
  return whole + stampDistance(whole | 0, stamp);
}

export class Clock {
  readonly #origin: bigint;
  readonly #nanoseconds: () => bigint;

  /** `nanoseconds` is the machine's monotonic clock; another one is for tests. */
  constructor(words: Int32Array, nanoseconds: () => bigint = () => process.hrtime.bigint()) {
    const low = BigInt.asUintN(32, BigInt(words[Word.ORIGIN_LO] ?? 0));
    this.#origin = (BigInt(words[Word.ORIGIN_HI] ?? 0) << 32n) | low;
    this.#nanoseconds = nanoseconds;
  }

  /** Milliseconds since the pool was made, with fractions. About 100 ns. */
  now(): number {
    return Number(this.#nanoseconds() - this.#origin) / 1e6;
  }
}

/** Begins the clock of a new pool. */
export function beginClock(words: Int32Array, origin: bigint = process.hrtime.bigint()): void {
  words[Word.ORIGIN_LO] = Number(BigInt.asIntN(32, origin));
  words[Word.ORIGIN_HI] = Number(BigInt.asIntN(32, origin >> 32n));
  words[Word.CLOCK] = FIRST_STAMP;
}
