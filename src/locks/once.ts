/** What is done once. */
import { isDead } from '../sync/deaths.ts';
import { Once as OnceWords, Turn } from '../sync/once.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { type SharedMemory, spotOf } from './memory.ts';
import { mayBlock, ME, unblocked } from './thread.ts';

/**
 * Lets one thread of all do something, and the others wait until it is done. Eight bytes of shared memory, zero at first. If
 * it throws or its thread dies, the next one does it, and must expect that it was half done.
 * @example
 * once.run(() => table.fill(EMPTY));
 */
export class Once {
  /** Bytes of shared memory. */
  static readonly BYTES = 8;
  readonly #port: AtomicsPort;
  readonly #words: OnceWords;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedMemory, byteOffset = 0) {
    const { port, at } = spotOf(memory, byteOffset, 2);
    this.#port = port;
    this.#words = new OnceWords(port, at, isDead);
  }

  /** Whether it is done. Any thread. */
  get done(): boolean {
    return this.#words.done;
  }

  /**
   * Calls the function, if it was not done before; returns when it is done, by whomever. True if it was this call. Workers.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_LOCK_HELD (inside of the function), what the function throws
   */
  run(task: () => void): boolean {
    mayBlock('run()', 'runAsync()');
    if (this.#words.begin(ME) === Turn.DONE) return false;
    let succeeded = false;
    try {
      task();
      succeeded = true;
    } finally {
      this.#words.end(succeeded);
    }
    return true;
  }

  /** As `run()`, without blocking; the function may be async. Any thread. */
  async runAsync(task: () => void | PromiseLike<void>): Promise<boolean> {
    if (this.done) return false;
    await unblocked(this.#port, this.#words.mutex.locking(ME), Number.POSITIVE_INFINITY);
    if (this.#words.decide() === Turn.DONE) return false;
    let succeeded = false;
    try {
      await task();
      succeeded = true;
    } finally {
      this.#words.end(succeeded);
    }
    return true;
  }
}
