/**
 * Connections that are being established: how their success is found out, and when they have taken too long.
 *
 * The deadline is in the slot, so that it outlives the worker that began; what only wakes somebody to look at it is one
 * timer in each thread that has begun some, or has met one that is not there yet.
 */
import { type Native, Errno } from '../native/index.ts';
import type { Strands } from '../reactor/strands.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Phase } from '../slots/record.ts';
import { Flag } from '../slots/word.ts';

/** A deadline in a slot is the low 31 bits of the clock; half of that is the longest that can be told from the past. */
const CLOCK_MASK = 0x7fffffff;
export const MAX_CONNECT_MS: number = 2 ** 30 - 1;
/** Those that have become connections meanwhile are forgotten so often; while there are any, the timer runs. */
const SWEEP_MS = 100;

/** Milliseconds of the clock that all threads of the process share. */
export function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds * 1000 + Math.floor(nanoseconds / 1e6)) % (CLOCK_MASK + 1);
}

export const deadlineIn = (timeoutMs: number): number => (clockMs() + timeoutMs) & CLOCK_MASK;
const leftUntil = (deadline: number): number => {
  const left = (deadline - clockMs()) & CLOCK_MASK;
  return left > MAX_CONNECT_MS ? 0 : left;
};

/** What is known of a connect(): a negated errno if it has failed, 0 if it is under way, 1 if there is a connection. */
export function progressOf(native: Native, { records }: PoolMemory, index: number): number {
  const word = records.connectWord(index);
  if (word < 0) return word;
  const error = native.takeError(index);
  if (error !== 0) return -Math.abs(error);
  // A writability that came for nothing: only a peer proves the connection.
  if (typeof native.peerAddress(index) !== 'number') return 1;
  return leftUntil(word) === 0 ? Errno.ETIMEDOUT : 0;
}

export class Connecting {
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  /** Slots and generations. */
  readonly #watched = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;
  #sweepAt = Number.POSITIVE_INFINITY;

  constructor(memory: PoolMemory, strands: Strands) {
    this.#memory = memory;
    this.#strands = strands;
  }

  /** Sees to it that the slot gets a turn when its time is over. */
  watch(index: number, generation: number): void {
    this.#watched.set(index, generation);
    this.#sweepIn(Math.min(leftUntil(this.#memory.records.connectWord(index)), SWEEP_MS));
  }

  #sweepIn(delayMs: number): void {
    const at = performance.now() + Math.max(delayMs, 1);
    if (at >= this.#sweepAt) return;
    clearTimeout(this.#timer);
    this.#sweepAt = at;
    this.#timer = setTimeout(() => this.#sweep(), delayMs);
  }

  #sweep(): void {
    const { slots, records } = this.#memory;
    this.#sweepAt = Number.POSITIVE_INFINITY;
    let next = SWEEP_MS;
    for (const [index, generation] of this.#watched) {
      const waits = slots.isLive(index, generation) && (records.phase(index) & Phase.CONNECTING) !== 0;
      const left = leftUntil(records.connectWord(index));
      if (waits && left === 0) this.#strands.request(index, generation, Flag.CONTROL);
      if (!waits || left === 0) this.#watched.delete(index);
      else next = Math.min(next, left);
    }
    if (this.#watched.size > 0) this.#sweepIn(next);
  }
}
