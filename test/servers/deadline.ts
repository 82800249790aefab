/** Waiting for a condition with a deadline, where nothing announces that it has come true. */
import { setTimeout as after } from 'node:timers/promises';

export const DEADLINE_MS = 10_000;

/** Looks every millisecond or so; fails with `what` at the deadline. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  deadlineMs: number = DEADLINE_MS,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${text(what)}`);
    await after(1);
  }
}

/** The value of a promise, or a failure that says `what` did not come. */
export async function within<T>(promise: Promise<T>, what: string, deadlineMs = DEADLINE_MS): Promise<T> {
  const limit = new AbortController();
  try {
    return await Promise.race([
      promise,
      after(deadlineMs, undefined, { signal: limit.signal }).then((): never => {
        throw new Error(`not within ${deadlineMs} ms: ${what}`);
      }),
    ]);
  } finally {
    limit.abort();
  }
}

function text(what: string | (() => string)): string {
  return typeof what === 'string' ? what : what();
}
