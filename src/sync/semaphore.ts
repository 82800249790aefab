/**
 * A semaphore: at most so many threads at once hold a permit. A permit is a place that names its holder, so that of a dead
 * one is free again when somebody wants it (H1).
 *
 *     word 0        how often permits were released
 *     words 1 …     a place for each permit
 *
 * S1  Who waits reads word 0 before it looks at the places, and sleeps while it is the same. Who releases leaves its place,
 *     then counts, then wakes one.
 */
import { Holders } from './holders.ts';
import type { Port } from './port.ts';
import type { IsDead, Steps } from './waiting.ts';

const PLACES = 1;

/** Words of a semaphore. */
export const semaphoreWords = (permits: number): number => PLACES + permits;

export class Semaphore {
  readonly #port: Port;
  readonly #released: number;
  readonly #holders: Holders;

  constructor(port: Port, at: number, permits: number, isDead: IsDead) {
    this.#port = port;
    this.#released = at;
    this.#holders = new Holders(port, at + PLACES, permits, isDead);
  }

  /** Any thread. */
  tryAcquire(owner: number): boolean {
    return this.#holders.enter(owner);
  }

  *acquiring(owner: number): Steps {
    for (;;) {
      const seen = this.#port.load(this.#released);
      if (this.#holders.enter(owner)) return true;
      if (yield { at: this.#released, value: seen }) return false;
    }
  }

  /** False if `owner` holds no permit. Any thread. */
  release(owner: number): boolean {
    if (!this.#holders.leave(owner)) return false;
    this.#port.add(this.#released, 1);
    this.#port.notify(this.#released, 1);
    return true;
  }

  /** How many permits are held by threads that live. Any thread. */
  count(): number {
    return this.#holders.count();
  }
}
