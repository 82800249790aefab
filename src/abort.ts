/** Waiting that can be given up. */
import { makeErrorFrom } from './errors.ts';

/** Whether what an async function threw says no more than that `signal` is aborted: its reason, or an error with that as its cause. */
export function isAbortBy(signal: AbortSignal | undefined, thrown: unknown): boolean {
  if (signal?.aborted !== true) return false;
  return thrown === signal.reason || (thrown instanceof Error && thrown.cause === signal.reason);
}

/** Waits for `done`, or until `signal` is aborted. @throws ERR_WAKEONE_ABORTED, with the signal's reason as its cause */
export async function untilAborted(
  done: Promise<void>,
  signal: AbortSignal | undefined,
  what: string,
): Promise<void> {
  if (signal === undefined) return done;
  const aborted = (): Error => makeErrorFrom(signal.reason, 'ERR_WAKEONE_ABORTED', what);
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      abort = () => reject(aborted());
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
      done.then(resolve, reject);
    });
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort);
  }
}
