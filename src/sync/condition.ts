/**
 * A condition: who holds a mutex waits until somebody says that what the mutex protects has changed.
 *
 *     one word: how often that was said
 *
 * C1  Who waits reads the word while it holds the mutex, and sleeps while it is the same. So nothing that is said after the
 *     mutex was released is missed.
 * C2  notifyOne() wakes one sleeper. Another one that happens to look again (W1) returns too: a wake-up for nothing, and what
 *     makes good that the one that was woken has died.
 */
import type { Mutex } from './mutex.ts';
import type { Port } from './port.ts';
import { block, FOREVER, type Steps } from './waiting.ts';

export class Condition {
  readonly #port: Port;
  readonly #at: number;

  constructor(port: Port, at: number) {
    this.#port = port;
    this.#at = at;
  }

  /** Any thread; read it before the mutex is released. */
  get said(): number {
    return this.#port.load(this.#at);
  }

  /** The steps until something is said after `seen`. */
  *hearing(seen: number): Steps {
    while (this.said === seen) if (yield { at: this.#at, value: seen }) return false;
    return true;
  }

  /**
   * Releases the mutex, waits, and locks it again. False if the time was over first. The mutex's owner, if it may sleep.
   */
  wait(mutex: Mutex, owner: number, timeoutMs: number = FOREVER): boolean {
    const seen = this.said;
    mutex.unlock(mutex.damaged);
    const heard = block(this.#port, this.hearing(seen), timeoutMs);
    mutex.lock(owner);
    return heard;
  }

  /** Any thread. */
  notify(count: number): void {
    this.#port.add(this.#at, 1);
    this.#port.notify(this.#at, count);
  }
}
