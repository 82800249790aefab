/**
 * A mutual exclusion lock in one word that holds its owner.
 *
 *     { damaged : 1, contended : 1, owner : 30 }
 *
 *     0  --lock CAS-->  owner  --unlock-->  0
 *     owner, dead  --lock CAS of the next-->  damaged | owner  --unlock-->  0, or damaged if it says so
 *
 * M1  The word names the owner. If it dies, the lock is handed on in one of two ways: a supervisor that knows all locks
 *     calls recover(); or whoever wants the lock asks `isDead`, and takes it over by one CAS from the dead one.
 * M2  A sleeper sets the contended bit before it sleeps and sleeps only while the word is what it saw, so unlock knows that
 *     somebody must be woken (wake-one: the one that wakes takes the lock as contended).
 * M3  Who takes over sets `damaged`, and it stays until an owner unlocks without it: each owner until then can tell that what
 *     the lock protects may be half changed.
 * Sleeping is for workers; a thread that may not sleep (the main thread) uses tryLock().
 */
import { makeError } from '../errors.ts';
import type { Port } from './port.ts';
import { block, FOREVER, type IsDead, type Steps } from './waiting.ts';

const DAMAGED = 1 << 31;
const CONTENDED = 1 << 30;
const OWNER_MASK = CONTENDED - 1;

export class Mutex {
  readonly #port: Port;
  readonly #at: number;
  readonly #isDead: IsDead;

  constructor(port: Port, at: number, isDead: IsDead = () => false) {
    this.#port = port;
    this.#at = at;
    this.#isDead = isDead;
  }

  /** Takes the lock for `owner` (1 … 2^30 - 1) if it is free, or its owner dead. Any thread. */
  tryLock(owner: number): boolean {
    const word = this.#port.compareExchange(this.#at, 0, owner);
    return word === 0 || this.#takeLeft(word, owner);
  }

  /**
   * Takes the lock for `owner`, sleeping while another holds it. False if that takes longer than `timeoutMs`. Threads that
   * may sleep. @throws ERR_WAKEONE_LOCK_HELD
   */
  lock(owner: number, timeoutMs: number = FOREVER): boolean {
    if (this.tryLock(owner)) return true;
    if (this.owner === owner) throw makeError('ERR_WAKEONE_LOCK_HELD', 'lock()');
    return block(this.#port, this.locking(owner), timeoutMs);
  }

  /** The steps of lock(). */
  *locking(owner: number): Steps {
    const port = this.#port;
    for (;;) {
      const word = port.load(this.#at);
      const holder = word & OWNER_MASK;
      const isLeft = holder !== 0 && this.#isDead(holder);
      if (holder === 0 || isLeft) {
        // Others may sleep behind us, and only the contended bit tells unlock() so: take it as contended.
        const next = owner | CONTENDED | (isLeft ? DAMAGED : word & DAMAGED);
        if (port.compareExchange(this.#at, word, next) === word) return true;
        continue;
      }
      const contended = word | CONTENDED;
      if (word !== contended && port.compareExchange(this.#at, word, contended) !== word) continue;
      // Gap: unlock() between the CAS and here. The sleeper re-reads the word and does not sleep then.
      if (yield { at: this.#at, value: contended }) return false;
    }
  }

  /** Releases the lock; `damaged` tells the next owner too that one has died. Its owner only. */
  unlock(damaged = false): void {
    const word = this.#port.exchange(this.#at, damaged ? DAMAGED : 0);
    if ((word & CONTENDED) !== 0) this.#port.notify(this.#at, 1);
  }

  /** unlock() for those who may be wrong about it: false if `owner` does not hold the lock. Any thread. */
  release(owner: number, damaged = false): boolean {
    if (!damaged && this.#port.compareExchange(this.#at, owner, 0) === owner) return true;
    if (this.owner !== owner) return false;
    this.unlock(damaged);
    return true;
  }

  /** The owner, 0 if free. Any thread. */
  get owner(): number {
    return this.#port.load(this.#at) & OWNER_MASK;
  }

  /** Whether an owner has died, and none since has unlocked without saying so. Any thread. */
  get damaged(): boolean {
    return this.#port.load(this.#at) < 0;
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

  /** Takes what a dead owner has left, or what is free and damaged. */
  #takeLeft(seen: number, owner: number): boolean {
    for (let word = seen; ;) {
      const holder = word & OWNER_MASK;
      if (holder !== 0 && !this.#isDead(holder)) return false;
      const next = owner | (word & CONTENDED) | (word === 0 ? 0 : DAMAGED);
      const found = this.#port.compareExchange(this.#at, word, next);
      if (found === word) return true;
      word = found;
    }
  }
}
