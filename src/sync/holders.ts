/**
 * A bounded set of threads that hold something, in shared memory: a word for each place, which names its holder, 0 if it is
 * free. A bare counter could not tell what a dead thread held.
 *
 * H1  A place is taken and left by one CAS each. One whose holder is dead is as good as free: whoever meets it takes it over
 *     or clears it, by a CAS from the dead one's id.
 * H2  A thread may have several places.
 */
import type { Port } from './port.ts';
import type { IsDead } from './waiting.ts';

export class Holders {
  readonly #port: Port;
  readonly #at: number;
  readonly #places: number;
  readonly #isDead: IsDead;

  constructor(port: Port, at: number, places: number, isDead: IsDead) {
    this.#port = port;
    this.#at = at;
    this.#places = places;
    this.#isDead = isDead;
  }

  /** Takes a place for `owner`; false if none is free. Any thread. */
  enter(owner: number): boolean {
    for (let i = 0; i < this.#places; i++) {
      const at = this.#nth(owner, i);
      const holder = this.#port.load(at);
      if (holder !== 0 && !this.#isDead(holder)) continue;
      if (this.#port.compareExchange(at, holder, owner) === holder) return true;
    }
    return false;
  }

  /** Leaves a place of `owner`; false if it has none. Any thread. */
  leave(owner: number): boolean {
    for (let i = 0; i < this.#places; i++)
      if (this.#port.compareExchange(this.#nth(owner, i), owner, 0) === owner) return true;
    return false;
  }

  /** Whether `owner` has a place. Any thread. */
  has(owner: number): boolean {
    for (let i = 0; i < this.#places; i++) if (this.#port.load(this.#nth(owner, i)) === owner) return true;
    return false;
  }

  /** How many places are held by threads that live. Any thread. Those of dead ones are cleared. */
  count(): number {
    let held = 0;
    for (let at = this.#at; at < this.#at + this.#places; at++) {
      const holder = this.#port.load(at);
      if (holder === 0) continue;
      // Somebody else may have taken it over.
      if (!this.#isDead(holder) || this.#port.compareExchange(at, holder, 0) !== holder) held++;
    }
    return held;
  }

  /** Each owner begins at a place of its own, so that they meet rarely. */
  #nth(owner: number, i: number): number {
    return this.#at + ((owner + i) % this.#places);
  }
}
