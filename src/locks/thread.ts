/** The thread that uses locks, and how it waits. */
import { isMainThread, threadId } from 'node:worker_threads';
import { makeError, show } from '../errors.ts';
import { noteDeath, ownerOfThread } from '../sync/deaths.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { deadlineAfter, FOREVER, LOOK_MS, sleepMs, type Steps } from '../sync/waiting.ts';

/** By what id this thread owns locks. */
export const ME: number = ownerOfThread(threadId);

/** The longest delay of a timer: about 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @throws ERR_WAKEONE_MAIN_THREAD */
export function mayBlock(what: string, instead: string): void {
  if (isMainThread) throw makeError('ERR_WAKEONE_MAIN_THREAD', what, instead);
}

/** Milliseconds; for ever unless given. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function checkWait(timeoutMs: unknown): number {
  if (timeoutMs === undefined) return FOREVER;
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return timeoutMs;
  throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'timeoutMs', 'milliseconds from 0', show(timeoutMs));
}

/** Waits without blocking the thread. False when the time was over first. */
export async function unblocked(port: AtomicsPort, steps: Steps, timeoutMs: number): Promise<boolean> {
  const deadline = deadlineAfter(timeoutMs);
  let alive: NodeJS.Timeout | undefined;
  try {
    let step = steps.next(false);
    while (step.done !== true) {
      // A wait of this kind keeps no thread alive.
      alive ??= setInterval(() => {}, LONGEST_TIMER_MS);
      const ms = sleepMs(deadline);
      const wait = Atomics.waitAsync(port.words, step.value.at, step.value.value, ms);
      const result = wait.async ? await wait.value : wait.value;
      step = steps.next(result === 'timed-out' && ms < LOOK_MS);
    }
    return step.value;
  } finally {
    clearInterval(alive);
  }
}

/**
 * Says that a thread has ended: what it held in memory that is shared with threads of a pool is taken over by whoever wants
 * it. For Workers of the app that no pool has started and none has attached; deaths of the others are seen by their pool.
 * `thread` is the Worker's `threadId`, read while it lived. Call it when its `exit` event was seen, not before, in the thread
 * that has made the pool, or one that belongs to it. Threads of pools hear of it, and the calling one.
 * @throws ERR_WAKEONE_INVALID_ARGUMENT
 * @example
 * const { threadId } = worker;
 * worker.once('exit', () => threadDied(threadId));
 */
export function threadDied(thread: number): void {
  if (!Number.isInteger(thread) || thread < 1)
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      'thread',
      'the threadId of a Worker that has ended',
      show(thread),
    );
  noteDeath(thread);
}
