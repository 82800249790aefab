/** The semaphore. */
import { isDead } from '../sync/deaths.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { Semaphore as SemaphoreWords, semaphoreWords } from '../sync/semaphore.ts';
import { block } from '../sync/waiting.ts';
import { notHeld } from './lock.ts';
import { count, type SharedMemory, spotOf } from './memory.ts';
import { checkWait, mayBlock, ME, unblocked } from './thread.ts';

const MOST_PERMITS = 2 ** 16;

/**
 * So many threads at once have a permit. `Semaphore.bytes(permits)` bytes of shared memory, zero at first. A permit belongs to
 * the thread that has acquired it, which alone releases it; a thread may have several. Those of a dead thread are free again.
 */
export class Semaphore {
  readonly #port: AtomicsPort;
  readonly #words: SemaphoreWords;

  /** Bytes of shared memory. @throws ERR_WAKEONE_INVALID_ARGUMENT */
  static bytes(permits: number): number {
    return 4 * semaphoreWords(count('permits', permits, MOST_PERMITS));
  }

  /** `permits` is 1 to 2^16, the same in all threads. @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedMemory, byteOffset: number, permits: number) {
    const { port, at } = spotOf(memory, byteOffset, Semaphore.bytes(permits) / 4);
    this.#port = port;
    this.#words = new SemaphoreWords(port, at, permits, isDead);
  }

  /** Takes a permit if one is free; whether it has. Any thread. */
  tryAcquire(): boolean {
    return this.#words.tryAcquire(ME);
  }

  /**
   * Takes a permit, blocking the thread while none is free; true. False if none was to be had within `timeoutMs`. Workers.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_INVALID_ARGUMENT
   */
  acquire(timeoutMs?: number): boolean {
    mayBlock('acquire()', 'acquireAsync() or tryAcquire()');
    const ms = checkWait(timeoutMs);
    return this.tryAcquire() || block(this.#port, this.#words.acquiring(ME), ms);
  }

  /** As `acquire()`, without blocking. Any thread. @throws ERR_WAKEONE_INVALID_ARGUMENT */
  async acquireAsync(timeoutMs?: number): Promise<boolean> {
    const ms = checkWait(timeoutMs);
    return this.tryAcquire() || (await unblocked(this.#port, this.#words.acquiring(ME), ms));
  }

  /** Gives a permit of this thread back. @throws ERR_WAKEONE_LOCK_NOT_HELD */
  release(): void {
    if (!this.#words.release(ME)) throw notHeld('release()');
  }

  /** Permits that are taken now, by threads that live. Any thread. */
  get taken(): number {
    return this.#words.count();
  }
}
