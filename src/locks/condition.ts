/** The condition. */
import { Condition as ConditionWord } from '../sync/condition.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { ALL } from '../sync/waiting.ts';
import { notHeld } from './lock.ts';
import { type SharedMemory, spotOf } from './memory.ts';
import { type Mutex, mutexWordOf } from './mutex.ts';
import { checkWait, mayBlock, ME, unblocked } from './thread.ts';

/**
 * Lets a thread that has a mutex wait for what another one does with it. Four bytes of shared memory, zero at first. A wait
 * may end for nothing: look at the data, and wait again.
 * @example
 * mutex.run(() => {
 *   while (words[LENGTH] === 0) filled.wait(mutex);
 *   take();
 * });
 */
export class Condition {
  /** Bytes of shared memory. */
  static readonly BYTES = 4;
  readonly #port: AtomicsPort;
  readonly #word: ConditionWord;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedMemory, byteOffset = 0) {
    const { port, at } = spotOf(memory, byteOffset, 1);
    this.#port = port;
    this.#word = new ConditionWord(port, at);
  }

  /**
   * Unlocks the mutex, waits until it is notified, and locks it again. False if nothing came within `timeoutMs`; it has the
   * mutex then too, of which `ownerDied` may have become true. Workers.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_LOCK_NOT_HELD, ERR_WAKEONE_INVALID_ARGUMENT; then nothing has changed
   */
  wait(mutex: Mutex, timeoutMs?: number): boolean {
    mayBlock('wait()', 'waitAsync()');
    const ms = checkWait(timeoutMs);
    if (!mutex.held) throw notHeld('wait()');
    return this.#word.wait(mutexWordOf(mutex), ME, ms);
  }

  /** As `wait()`, without blocking. Any thread. @throws ERR_WAKEONE_LOCK_NOT_HELD, ERR_WAKEONE_INVALID_ARGUMENT */
  async waitAsync(mutex: Mutex, timeoutMs?: number): Promise<boolean> {
    const ms = checkWait(timeoutMs);
    if (!mutex.held) throw notHeld('waitAsync()');
    const seen = this.#word.said;
    const word = mutexWordOf(mutex);
    word.unlock(word.damaged);
    const heard = await unblocked(this.#port, this.#word.hearing(seen), ms);
    await mutex.lockAsync();
    return heard;
  }

  /** Wakes one that waits, the one that has waited longest. Any thread; it need not have the mutex. */
  notifyOne(): void {
    this.#word.notify(1);
  }

  /** Wakes all that wait. Any thread. */
  notifyAll(): void {
    this.#word.notify(ALL);
  }
}
