/**
 * What a value of the coarse clock stands for. A value is current from the tick that stored it to the next; whoever reads
 * it may have been active at any moment of that time. Most ticks come in time: so a value stands for the moment USUAL_MS
 * after it. Those that were current for longer, since the monitor rested, or had no CPU, or the process was stopped, are
 * remembered here with the moment of the next tick.
 *
 * What is remembered is bounded: neighbours are taken together when the difference is small beside their age, so the
 * number grows with the logarithm of the time. That makes a timeout late by at most 1/COARSENESS of itself, never early.
 * Moments are milliseconds of the pool's clock, whole ones for values.
 */
import { MAX_TIMEOUT_MS } from '../slots/clock.ts';

/** Ticks come each millisecond; on a machine that has other things to do as well, most of them within this. */
export const USUAL_MS = 8;
const COARSENESS = 64;
/** Stretches that are kept before it is looked for those that can be taken together. */
const LEAST = 256;

/** Values from `first` to `last` stand for moments up to `end`. */
export type Stretch = { readonly first: number; readonly last: number; readonly end: number };

/** Takes neighbours together, and drops what no timeout can refer to any more. Oldest first. Pure. */
export function thinned(stretches: readonly Stretch[], now: number): Stretch[] {
  const kept: Stretch[] = [];
  for (const stretch of stretches) {
    if (stretch.end + MAX_TIMEOUT_MS < now) continue;
    const before = kept.at(-1);
    if (before !== undefined && (stretch.end - before.first) * COARSENESS <= now - stretch.end)
      kept[kept.length - 1] = { first: before.first, last: stretch.last, end: stretch.end };
    else kept.push(stretch);
  }
  return kept;
}

export class Stretches {
  #all: Stretch[] = [];
  #limit = LEAST;

  get count(): number {
    return this.#all.length;
  }

  /** The values from `first` to `last` were current until `end`. They are later than all before. */
  add(first: number, last: number, end: number): void {
    if (end - last <= USUAL_MS && first === last) return;
    this.#all.push({ first, last, end });
    if (this.#all.length < this.#limit) return;
    this.#all = thinned(this.#all, end);
    this.#limit = 2 * this.#all.length + LEAST;
  }

  /** Until when somebody who read `value` may have been active, at the latest. */
  endOf(value: number): number {
    let [from, to] = [0, this.#all.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#all[middle]?.last ?? 0) < value) from = middle + 1;
      else to = middle;
    }
    const found = this.#all[from];
    return Math.max(value + USUAL_MS, found !== undefined && found.first <= value ? found.end : 0);
  }
}
