/**
 * Where hints go that the ring has no room for: a queue of two linked lists, first in first out.
 *
 * A ring of twice the slots never needs it; a smaller one is allowed, and then this is what keeps G5. The links are in
 * shared memory, one word per hint: a hint is in at most one list at a time.
 *
 * New hints are pushed on a stack by CAS (any thread, any time). Who holds the lock moves them on: takes that stack
 * whole, turns it round, and pops from the turned one. Only the holder pops, so there is no ABA.
 */
import type { Mutex } from './mutex.ts';
import type { Port } from './port.ts';
import type { Ring } from './ring.ts';

export type OverflowPlace = {
  readonly fresh: number;
  readonly turned: number;
  readonly count: number;
  /** Word of hint h's link: `link + (h - 1) * stride`. */
  readonly link: number;
  readonly stride: number;
};

export class Overflow {
  readonly #port: Port;
  readonly #place: OverflowPlace;
  readonly #mutex: Mutex;
  readonly #owner: number;

  constructor(port: Port, place: OverflowPlace, mutex: Mutex, owner: number) {
    this.#port = port;
    this.#place = place;
    this.#mutex = mutex;
    this.#owner = owner;
  }

  /** Keeps a hint that the ring refused. Any thread. */
  add(hint: number): void {
    const port = this.#port;
    for (;;) {
      const top = port.load(this.#place.fresh);
      port.store(this.#linkOf(hint), top);
      if (port.compareExchange(this.#place.fresh, top, hint) === top) break;
    }
    port.add(this.#place.count, 1);
  }

  /** As isEmpty, but only an estimate: it may have changed already, in either direction. */
  get seemsEmpty(): boolean {
    return this.#port.peek(this.#place.fresh) === 0 && this.#port.peek(this.#place.turned) === 0;
  }

  get isEmpty(): boolean {
    return this.#port.load(this.#place.fresh) === 0 && this.#port.load(this.#place.turned) === 0;
  }

  /** How many hints ever came here. */
  get count(): number {
    return this.#port.load(this.#place.count) >>> 0;
  }

  /** Moves hints into the ring while it has room. Any thread; does nothing while another one is at it. */
  refill(ring: Ring): void {
    if (!this.#mutex.tryLock(this.#owner)) return;
    for (;;) {
      const hint = this.#oldest();
      if (hint === 0) break;
      // The link is read before the push: once published, the hint may be taken and chained again.
      const rest = this.#port.load(this.#linkOf(hint));
      if (!ring.push(hint)) break;
      this.#port.store(this.#place.turned, rest);
    }
    this.#mutex.unlock();
  }

  #oldest(): number {
    const port = this.#port;
    const known = port.load(this.#place.turned);
    if (known !== 0) return known;
    let hint = port.exchange(this.#place.fresh, 0);
    let turned = 0;
    while (hint !== 0) {
      const next = port.load(this.#linkOf(hint));
      port.store(this.#linkOf(hint), turned);
      turned = hint;
      hint = next;
    }
    port.store(this.#place.turned, turned);
    return turned;
  }

  #linkOf(hint: number): number {
    return this.#place.link + (hint - 1) * this.#place.stride;
  }
}
