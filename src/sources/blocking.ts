/** Handlers that say that they block. */
import { makeError, show } from '../errors.ts';
import type { Presence } from '../reactor/presence.ts';
import { isPromise } from './context.ts';

/**
 * Calls `task` while this worker does not count as runnable. Without a presence (not a worker, or none that takes hints
 * yet), and inside of another such call, it is a plain call.
 */
export function runBlocking<T>(presence: Presence | undefined, task: () => T): T {
  if (typeof task !== 'function')
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'task', 'a function', show(task));
  const left = presence?.goAway() === true;
  let value: T;
  try {
    value = task();
  } finally {
    if (left) presence.comeBack();
  }
  if (isPromise(value)) {
    // What it waits for goes on after this, and its failure is not to end the worker beside the error that is thrown.
    value.then(undefined, () => {});
    const expected = 'a synchronous function (await what is asynchronous: that blocks nobody)';
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'task', expected, 'one that returned a promise');
  }
  return value;
}
