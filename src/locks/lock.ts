/** What all locks offer, over what each of them can do. */
import { makeError } from '../errors.ts';
import type { AtomicsPort } from '../sync/port.ts';
import type { Steps } from '../sync/waiting.ts';
import { checkWait, mayBlock, unblocked } from './thread.ts';

/** A lock in shared memory, of which each thread that uses it has an object of its own. */
export abstract class Lock {
  /** Takes the lock if that is possible at once; whether it has. Any thread. */
  abstract tryLock(): boolean;

  /**
   * Releases the lock, and says that what it protects is in order: `ownerDied` is false from now on (unless it is the side of
   * readers). Any thread that has the lock; in a thread that has locked it asynchronously, any function.
   * @throws ERR_WAKEONE_LOCK_NOT_HELD
   */
  abstract unlock(): void;

  /**
   * Whether a thread has died while it had the lock and could change what it protects, and no owner since has unlocked.
   * For who has the lock: then the data may be half changed, and is to be put right before `unlock()`.
   */
  abstract get ownerDied(): boolean;

  /** Blocks; the timeout is checked. */
  protected abstract wait(timeoutMs: number): boolean;
  protected abstract steps(): { readonly port: AtomicsPort; readonly steps: Steps };
  /** Releases the lock, if this thread has it still, without saying that all is in order. */
  protected abstract giveUp(): void;

  /**
   * Takes the lock, blocking the thread while another one has it; true. False if it was not to be had within `timeoutMs`
   * (by default it waits for ever). Workers; in a handler a long wait is for `blocking(() => lock.lock())`.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_LOCK_HELD (this thread has it, and would wait for itself),
   *   ERR_WAKEONE_INVALID_ARGUMENT; then nothing has changed
   */
  lock(timeoutMs?: number): boolean {
    mayBlock('lock()', 'lockAsync() or tryLock()');
    return this.wait(checkWait(timeoutMs));
  }

  /**
   * As `lock()`, without blocking: any thread. It waits also for other functions of this thread, so it is a lock between async
   * functions too; one that has the lock must not wait for it again. Keeps the thread alive while it waits.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  async lockAsync(timeoutMs?: number): Promise<boolean> {
    const ms = checkWait(timeoutMs);
    if (this.tryLock()) return true;
    const { port, steps } = this.steps();
    return await unblocked(port, steps, ms);
  }

  /**
   * Calls a function with the lock, and returns what it does; it is told `ownerDied`. If it throws, the lock is released too, but
   * `ownerDied` stays what it was. Workers; the function must not return a promise.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_LOCK_HELD; ERR_WAKEONE_INVALID_ARGUMENT if the function, after it was
   *   called, has returned a promise
   */
  run<T>(task: (ownerDied: boolean) => T): T {
    this.lock();
    let value: T;
    try {
      value = task(this.ownerDied);
      if (value instanceof Promise) {
        value.catch(() => {});
        throw makeError(
          'ERR_WAKEONE_INVALID_ARGUMENT',
          'task',
          'a function that returns no promise; use runAsync()',
          'a promise',
        );
      }
    } catch (error) {
      this.giveUp();
      throw error;
    }
    this.unlock();
    return value;
  }

  /** As `run()`, without blocking, and the function may be async: it has the lock until it has settled. Any thread. */
  async runAsync<T>(task: (ownerDied: boolean) => T | PromiseLike<T>): Promise<T> {
    await this.lockAsync();
    let value: T;
    try {
      value = await task(this.ownerDied);
    } catch (error) {
      this.giveUp();
      throw error;
    }
    this.unlock();
    return value;
  }
}

export function notHeld(what: string): Error {
  return makeError('ERR_WAKEONE_LOCK_NOT_HELD', what);
}
