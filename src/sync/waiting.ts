/**
 * How a thread waits for what another one must give. What is waited for, each primitive tells as {@link Steps}: it tries,
 * and says on which word to sleep if it was in vain. Who sleeps, and how, a driver decides: block() for threads that may
 * sleep, and src/locks for those that may not. So each primitive has one logic, whoever waits.
 *
 * W1  A sleeper looks again after LOOK_MS, whatever it waits for. So it sees that an owner has died, and a wake-up that a
 *     dead thread owed costs that time and is not lost.
 * W2  A sleeper that was notified tries again before it gives up: no wake-up ends with one whose time is over.
 */
import type { Port } from './port.ts';

/** Sleep while the word at `at` is `value`. */
export type Sleep = { readonly at: number; readonly value: number };

/** Yields where to sleep; is told whether the time is over, and then puts back what it has announced. Returns whether it got it. */
export type Steps = Generator<Sleep, boolean, boolean>;

/** Whether the thread that an owner id names has ended. */
export type IsDead = (owner: number) => boolean;

export const FOREVER: number = Number.POSITIVE_INFINITY;
/** As many sleepers as there are. Not infinity, which V8 would allocate anew for each call. */
export const ALL: number = 2 ** 30;
/** The longest sleep without a look. A death is found after this time at the latest. */
export const LOOK_MS = 50;

/** Milliseconds of the next sleep: less than LOOK_MS if it is the last one before `deadline`. */
export function sleepMs(deadline: number): number {
  return deadline === FOREVER ? LOOK_MS : Math.max(0, Math.min(LOOK_MS, deadline - performance.now()));
}

export function deadlineAfter(timeoutMs: number): number {
  return timeoutMs === FOREVER ? FOREVER : performance.now() + timeoutMs;
}

/** Waits by sleeping. Threads that may sleep. False when the time was over first. */
export function block(port: Port, steps: Steps, timeoutMs: number): boolean {
  const deadline = deadlineAfter(timeoutMs);
  let step = steps.next(false);
  while (step.done !== true) {
    const ms = sleepMs(deadline);
    const result = port.wait(step.value.at, step.value.value, ms);
    step = steps.next(result === 'timed-out' && ms < LOOK_MS);
  }
  return step.value;
}
