/**
 * Finds runnable workers that sleep in the middle of a turn: handlers that block and did not say so. The monitor asks, once a
 * tick, and only while work waits and the limit is reached.
 *
 * S1  A worker's progress is the sum of what it counts at each hint, each poll and each park. One that has made progress
 *     since the last tick is not looked at: a pool of short handlers costs nothing but plain reads.
 * S2  The kernel's word for a thread that does not want a CPU is the state in /proc/self/task/TID/stat: S (sleeps, on whatever),
 *     D (waits for a disk). A thread that waits for a CPU is R, however long. CPU time and the number of switches tell less:
 *     those of a thread that runs are brought up to date a few times in ten milliseconds only.
 * S3  Twice asleep, a tick apart, without progress: once could be the garbage collector, or a lock inside of the runtime. (On a
 *     machine with many more busy threads than CPUs the holder of such a lock may be without a CPU for longer; then the
 *     worker is blocked indeed, if not by its handler.)
 *     At a tick that comes because nobody has looked (lookout.ts) none is taken to have made progress.
 * S4  Who is taken for blocked by mistake loses its bit and asks for it again before its next hint (limit.ts): a mistake
 *     costs a wake-up, and a worker too many for the rest of a turn.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { Counter, COUNTER_BLOCKS, MAX_WORKERS, WorkerWord } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';

/** The name of a thread has at most 16 bytes, so its state lies within the first 64. */
const STAT_BYTES = 64;
const stat = Buffer.alloc(STAT_BYTES);

/** Whether a thread of this process sleeps. False if that cannot be told. Opening, reading and closing take 9 µs. */
export function isThreadAsleep(tid: number): boolean {
  let file: number | undefined;
  try {
    file = openSync(`/proc/self/task/${tid}/stat`, 'r');
    return isAsleep(stat.toString('latin1', 0, readSync(file, stat, 0, STAT_BYTES, 0)));
  } catch {
    // No such thread (any more), no /proc, no descriptors.
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** `number (name) state …`; the name may contain parentheses and blanks. Pure. */
export function isAsleep(line: string): boolean {
  const state = line.charAt(line.lastIndexOf(')') + 2);
  return state === 'S' || state === 'D';
}

/** What the monitor asks about the workers, as bitmaps. */
export type Watch = {
  /** Once a tick, with those that are runnable; `still`: they are known to have made no progress for as long as a tick. */
  tick(runnable: number, still: boolean): void;
  /** Those of them that sleep in the middle of a turn; the same all through a tick. */
  sleepers(runnable: number): number;
};

/** Sees nobody sleep: where there is nothing to see, and for tests. */
export const blindWatch: Watch = { tick: () => undefined, sleepers: () => 0 };

export class Sleepers implements Watch {
  readonly #memory: PoolMemory;
  readonly #counters: Float64Array;
  readonly #isAsleep: (tid: number) => boolean;
  readonly #progress = new Float64Array(MAX_WORKERS).fill(-1);
  /** Bitmaps: made no progress between the last two ticks; was asleep then, too. */
  #still = 0;
  #suspected = 0;
  /** What this tick has found. */
  #found: number | undefined;

  constructor(memory: PoolMemory, threadSleeps: (tid: number) => boolean = isThreadAsleep) {
    this.#memory = memory;
    this.#counters = new Float64Array(memory.buffers.control, 0, memory.layout.counters(COUNTER_BLOCKS));
    this.#isAsleep = threadSleeps;
  }

  tick(runnable: number, allStill: boolean): void {
    let still = allStill ? runnable : 0;
    forEachBit(runnable, (worker) => {
      const progress = this.#progressOf(worker);
      if (progress === this.#progress[worker]) still |= 1 << worker;
      this.#progress[worker] = progress;
    });
    this.#still = still;
    this.#suspected &= still;
    this.#found = undefined;
  }

  sleepers(runnable: number): number {
    this.#found ??= this.#look(runnable);
    return this.#found;
  }

  #look(runnable: number): number {
    const { words, layout } = this.#memory;
    let asleep = 0;
    forEachBit(runnable & this.#still, (worker) => {
      if (this.#isAsleep(words[layout.worker(worker) + WorkerWord.TID] ?? 0)) asleep |= 1 << worker;
    });
    const found = asleep & this.#suspected;
    this.#suspected = asleep;
    return found;
  }

  #progressOf(worker: number): number {
    const at = this.#memory.layout.counters(worker);
    const count = (counter: Counter): number => this.#counters[at + counter] ?? 0;
    return count(Counter.TAKEN) + count(Counter.POLLS) + count(Counter.PARKS);
  }
}

function forEachBit(bits: number, act: (bit: number) => void): void {
  for (let rest = bits; rest !== 0; rest &= rest - 1) act(31 - Math.clz32(rest & -rest));
}
