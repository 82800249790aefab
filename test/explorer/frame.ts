/** A state of an exploration, and its form as a row of words. */
import type { Point } from './history.ts';
import type { Memory } from './memory.ts';
import { type Program, ThreadStatus } from './program.ts';
import { type OldValues, PastNumbers } from './stale.ts';

export const NOBODY = -1;

/** The part of a state that is not memory; never changed, always replaced. */
export type Frame = {
  readonly points: readonly Point[];
  readonly statuses: readonly ThreadStatus[];
  /** Threads asleep, the one that sleeps longest first. */
  readonly sleepers: readonly number[];
  /** Values that plain reads of each thread may still return. */
  readonly past: readonly OldValues[];
  readonly last: number;
  readonly preemptions: number;
  readonly vanishings: number;
  readonly timeouts: number;
  readonly lastResorts: number;
};

const STATUSES: readonly ThreadStatus[] = Object.values(ThreadStatus);

export function canRun(status: ThreadStatus | undefined): boolean {
  return status === ThreadStatus.READY || status === ThreadStatus.FRESH;
}

/** Writes states into one row that is used again and again. */
export class FrameRow {
  readonly #program: Program;
  readonly #memory: Memory;
  readonly #pasts = new PastNumbers();
  #row = new Int32Array(64);

  constructor(program: Program, memory: Memory) {
    this.#program = program;
    this.#memory = memory;
  }

  /** The words behind the row's length are 0: a word of memory that was never touched is so too. */
  write(frame: Frame): Int32Array {
    const { points, statuses, sleepers } = frame;
    const threads = points.length;
    const length = threads + 4 + this.#memory.size;
    if (length > this.#row.length) this.#row = new Int32Array(length * 2);
    const row = this.#row;
    let status = 0;
    for (let id = 0; id < threads; id++) {
      row[id] = points[id]?.id ?? 0;
      status = status * STATUSES.length + STATUSES.indexOf(statuses[id] ?? ThreadStatus.DONE);
    }
    let asleep = 0;
    for (const id of sleepers) asleep = asleep * (threads + 1) + id + 1;
    // Who ran last decides what a switch costs, and who may vanish; if neither matters, it is no part of the state.
    const bounded = this.#program.preemptions !== undefined;
    const mayVanish = frame.vanishings < (this.#program.vanishings ?? 0);
    const last = bounded || mayVanish ? frame.last + 1 : 0;
    row[threads] = status;
    row[threads + 1] = asleep;
    row[threads + 2] = last | (frame.vanishings << 8) | (frame.timeouts << 16) | (frame.lastResorts << 24);
    row[threads + 3] = this.#program.stale === undefined ? 0 : this.#pasts.of(frame.past);
    this.#memory.copyTo(row, threads + 4);
    return row.subarray(0, length);
  }
}
