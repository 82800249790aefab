/**
 * A mutual exclusion lock in one word that holds its owner.
 *
 *     0  --lock CAS-->  owner  --unlock-->  0          low bits { contended : 1, owner : 31 }
 *
 * M1  The word names the owner, so a supervisor that has seen the owner's end can hand the lock on: recover().
 * M2  A sleeper sets the contended bit before it sleeps and sleeps only while word = owner | contended, so unlock
 *     knows that somebody must be woken (wake-one: the one that wakes takes the lock as contended).
 * Sleeping is for workers; a thread that may not sleep (the main thread) uses tryLock().
 */
import type { Port } from './port.ts';

const CONTENDED = 1 << 30;
const OWNER_MASK = CONTENDED - 1;
const FOREVER = Number.POSITIVE_INFINITY;

export class Mutex {
  readonly #port: Port;
  readonly #at: number;

  constructor(port: Port, at: number) {
    this.#port = port;
    this.#at = at;
  }

  /** Takes the lock for `owner` (1 … 2^30 - 1) if it is free. Any thread. */
  tryLock(owner: number): boolean {
    return this.#port.compareExchange(this.#at, 0, owner) === 0;
  }

  /** Takes the lock for `owner`, sleeping while another holds it. Threads that may sleep. */
  lock(owner: number): void {
    const port = this.#port;
    if (port.compareExchange(this.#at, 0, owner) === 0) return;
    for (;;) {
      const word = port.load(this.#at);
      if (word === 0) {
        // Others may sleep behind us, and only the contended bit tells unlock() so: take it as contended.
        if (port.compareExchange(this.#at, 0, owner | CONTENDED) === 0) return;
        continue;
      }
      const contended = word | CONTENDED;
      if (word !== contended && port.compareExchange(this.#at, word, contended) !== word) continue;
      // Gap: unlock() between the CAS and here. wait() re-reads the word and does not sleep then.
      port.wait(this.#at, contended, FOREVER);
    }
  }

  /** Releases the lock. Its owner only. */
  unlock(): void {
    const word = this.#port.exchange(this.#at, 0);
    if ((word & CONTENDED) !== 0) this.#port.notify(this.#at, 1);
  }

  /** The owner, 0 if free. Any thread. */
  get owner(): number {
    return this.#port.load(this.#at) & OWNER_MASK;
  }

  /**
   * Takes the lock over from `dead`, an owner that has vanished, for `owner`. True if `dead` held it: then what the
   * lock protects must be rebuilt before unlock(). The supervisor only, after each death of a thread that uses the lock.
   *
   * If `dead` did not hold it, it may have owed a wake-up to those that still sleep: it vanished between unlock's two
   * steps, or it was the one sleeper that unlock() woke. A free lock is then announced here; one that somebody took
   * meanwhile, without knowing of the sleepers, becomes contended, so that its owner's unlock() wakes the next.
   */
  recover(dead: number, owner: number): boolean {
    for (;;) {
      const word = this.#port.load(this.#at);
      if (word === 0) {
        this.#port.notify(this.#at, 1);
        return false;
      }
      const held = (word & OWNER_MASK) === dead;
      const next = (held ? owner : word) | CONTENDED;
      if (this.#port.compareExchange(this.#at, word, next) === word) return held;
    }
  }
}
