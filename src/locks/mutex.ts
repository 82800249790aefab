/** The mutex, and stripes of mutexes. */
import { isDead } from '../sync/deaths.ts';
import { Mutex as MutexWord } from '../sync/mutex.ts';
import type { AtomicsPort } from '../sync/port.ts';
import type { Steps } from '../sync/waiting.ts';
import { Lock, notHeld } from './lock.ts';
import { count, type SharedMemory, spotOf, wrong } from './memory.ts';
import { ME } from './thread.ts';

/** What stands behind a mutex, for conditions. */
export let mutexWordOf: (mutex: Mutex) => MutexWord;

/**
 * A lock that one thread has at a time: four bytes of shared memory, zero at first. To lock and unlock one that is free takes
 * two atomic operations. The longest sleeper is woken first, but a thread that comes by may be quicker.
 *
 * If a thread dies that has it (of a pool, or attached to one; of others see `threadDied()`), the next one gets it, within
 * 50 ms after the pool has seen the end, and finds `ownerDied` true.
 * @example
 * const mutex = new Mutex(shared('counters', 64));
 * mutex.run(() => counters[1]++);
 */
export class Mutex extends Lock {
  static {
    mutexWordOf = (mutex) => mutex.#word;
  }

  /** Bytes of shared memory. */
  static readonly BYTES = 4;
  readonly #port: AtomicsPort;
  readonly #word: MutexWord;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT unless `byteOffset` is in the memory, and at a multiple of 4 in its buffer */
  constructor(memory: SharedMemory, byteOffset = 0) {
    super();
    const { port, at } = spotOf(memory, byteOffset, 1);
    this.#port = port;
    this.#word = new MutexWord(port, at, isDead);
  }

  override tryLock(): boolean {
    return this.#word.tryLock(ME);
  }

  override unlock(): void {
    if (!this.#word.release(ME)) throw notHeld('unlock()');
  }

  override get ownerDied(): boolean {
    return this.#word.damaged;
  }

  /** Whether this thread has the lock. */
  get held(): boolean {
    return this.#word.owner === ME;
  }

  protected override wait(timeoutMs: number): boolean {
    return this.#word.lock(ME, timeoutMs);
  }

  protected override steps(): { port: AtomicsPort; steps: Steps } {
    return { port: this.#port, steps: this.#word.locking(ME) };
  }

  protected override giveUp(): void {
    this.#word.release(ME, this.#word.damaged);
  }
}

/** Mutexes in different lines of the processors' caches, so that threads that use different ones do not disturb each other. */
const STRIPE_BYTES = 64;
const MOST_STRIPES = 2 ** 16;

/**
 * As many mutexes as there are stripes, for data of which each piece belongs to one of them: threads wait for each other only
 * if their pieces meet in a stripe.
 * @example
 * const locks = new StripedLock(shared('locks', StripedLock.bytes(128)), 0, 128);
 * locks.of(hash(key)).run(() => table.set(key, value));
 */
export class StripedLock {
  /** The mutexes; for what concerns all of them. Lock several of them in this order only. */
  readonly stripes: readonly Mutex[];
  readonly #mask: number;

  /** Bytes of shared memory for `stripes` mutexes. */
  static bytes(stripes: number): number {
    return checkStripes(stripes) * STRIPE_BYTES;
  }

  /**
   * `stripes` is a power of two up to 2^16, the same in all threads.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  constructor(memory: SharedMemory, byteOffset: number, stripes: number) {
    spotOf(memory, byteOffset, StripedLock.bytes(stripes) / 4);
    this.stripes = Array.from(
      { length: stripes },
      (_, i) => new Mutex(memory, byteOffset + i * STRIPE_BYTES),
    );
    this.#mask = stripes - 1;
  }

  /** The mutex of a hash, of which the lowest bits count. */
  of(hash: number): Mutex {
    return this.stripes[hash & this.#mask] as Mutex;
  }
}

function checkStripes(stripes: number): number {
  count('stripes', stripes, MOST_STRIPES);
  if ((stripes & (stripes - 1)) !== 0) throw wrong('stripes', 'a power of two', stripes);
  return stripes;
}
