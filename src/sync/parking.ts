/**
 * The parking lot: up to 32 members sleep, each on a word of its own, and are woken one at a time, the last one that
 * parked first. (One shared word would wake first in, first out: `Atomics.notify` keeps that order.)
 *
 *     member:  AWAKE --announce--> SLEEPS_FUTEX | SLEEPS_KERNEL --(waker)--> NOTIFIED --settle--> AWAKE
 *                        └────────────── withdraw (found work, or a timeout) ──────────────────────┘
 *
 * Parking is announce, look again, sleep. The gap is between the second look and the sleep: a waker that comes in it
 * has stored NOTIFIED, so `wait` does not sleep; a kernel sleeper finds its eventfd written.
 *
 * P1  Whoever clears a member's bit has the duty to notify that member, and nobody else notifies it. So one unit of
 *     work wakes at most one member (G6).
 * P2  A member whose bit is set sleeps or is about to; it clears its own bit when it leaves by itself.
 * P3  A NOTIFIED that comes late (the member withdrew meanwhile and parked again) wakes it for nothing: it clears its
 *     bit and looks. Wake-ups may be spurious, never lost.
 * P4  A waker that vanishes between clearing the bit and storing NOTIFIED leaves a member that sleeps without a bit;
 *     one that vanishes between storing NOTIFIED and the notification leaves a NOTIFIED member that sleeps (perhaps
 *     with a bit, if this was its second stay: P3). reap(), called by the supervisor after each death, notifies both.
 */
import type { Port } from './port.ts';

export const ParkState = { AWAKE: 0, SLEEPS_FUTEX: 1, SLEEPS_KERNEL: 2, NOTIFIED: 3 } as const;
export type ParkState = (typeof ParkState)[keyof typeof ParkState];

export const MAX_MEMBERS = 32;
const FOREVER = Number.POSITIVE_INFINITY;

export type ParkingPlace = {
  /** Bitmap of the members that may be woken. */
  readonly parked: number;
  /** Clock of the stamps. */
  readonly clock: number;
  /** Member m's state word is at `state + m * stride`, its stamp at `stamp + m * stride`. */
  readonly state: number;
  readonly stamp: number;
  readonly stride: number;
};

export class ParkingLot {
  readonly #port: Port;
  readonly #place: ParkingPlace;
  readonly #kick: (member: number) => void;

  /** `kick` wakes a member that sleeps in the kernel (it writes that member's eventfd). */
  constructor(port: Port, place: ParkingPlace, kick: (member: number) => void) {
    this.#port = port;
    this.#place = place;
    this.#kick = kick;
  }

  /** Says that `member` is about to sleep, in the way that `how` tells. The member only; it must look again now. */
  announce(member: number, how: typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL): void {
    const port = this.#port;
    port.store(this.#stampAt(member), port.add(this.#place.clock, 1));
    port.store(this.#stateOf(member), how);
    // Publishes state and stamp; pairs with the load of the bitmap in wakeNewest().
    port.or(this.#place.parked, 1 << member);
  }

  /** Sleeps on the futex until notified, at most `timeoutMs`. The member only, after announce(SLEEPS_FUTEX). */
  sleep(member: number, timeoutMs: number = FOREVER): void {
    this.#port.wait(this.#stateOf(member), ParkState.SLEEPS_FUTEX, timeoutMs);
  }

  /** Ends a stay, however it ended. True if a waker chose this member: then it owes a look at the work. The member only. */
  settle(member: number): boolean {
    const bit = 1 << member;
    const chosen = (this.#port.and(this.#place.parked, ~bit) & bit) === 0;
    this.#port.store(this.#stateOf(member), ParkState.AWAKE);
    return chosen;
  }

  /** Wakes the member that parked last. Returns whether there was one. Any thread. */
  wakeNewest(): boolean {
    for (;;) {
      const member = this.newest();
      if (member === undefined) return false;
      if (this.wake(member)) return true;
    }
  }

  /** The member that parked last, if any. Any thread; it may have left by the time the caller uses this. */
  newest(): number | undefined {
    const port = this.#port;
    let rest = port.load(this.#place.parked);
    let best: number | undefined;
    let bestStamp = 0;
    while (rest !== 0) {
      const member = 31 - Math.clz32(rest & -rest);
      rest &= rest - 1;
      const stamp = port.load(this.#stampAt(member));
      // Stamps wrap: newer means ahead by less than half of the range.
      if (best === undefined || ((stamp - bestStamp) | 0) > 0) {
        best = member;
        bestStamp = stamp;
      }
    }
    return best;
  }

  /** Wakes `member` if it is parked. False if it was not, or somebody else had already chosen it. Any thread. */
  wake(member: number): boolean {
    const bit = 1 << member;
    if ((this.#port.and(this.#place.parked, ~bit) & bit) === 0) return false;
    this.#notify(member);
    return true;
  }

  /** Wakes every parked member. Any thread. */
  wakeAll(): void {
    while (this.wakeNewest());
  }

  get anyParked(): boolean {
    return this.#port.load(this.#place.parked) !== 0;
  }

  get parkedBits(): number {
    return this.#port.load(this.#place.parked);
  }

  stateOf(member: number): ParkState {
    return this.#port.load(this.#stateOf(member)) as ParkState;
  }

  /** Names a stay: a member that parks again has another one. */
  stampOf(member: number): number {
    return this.#port.load(this.#stampAt(member));
  }

  /**
   * Takes the vanished `dead` out, and notifies members of `alive` (a bitmap) that a vanished waker had chosen but
   * not notified (P4). Returns whether the dead one had been chosen: then its wake-up is to be passed on. That it
   * returns false is no proof that nothing is owed: the dead may have settled and not yet looked, or have made work
   * and not yet woken anybody. So look for work after it in any case. Supervisor.
   */
  reap(dead: number, alive: number): boolean {
    const bit = 1 << dead;
    const wasParked = (this.#port.and(this.#place.parked, ~bit) & bit) !== 0;
    const state = this.stateOf(dead);
    this.#port.store(this.#stateOf(dead), ParkState.AWAKE);
    this.tellAgain(alive & ~bit);
    return !wasParked && state !== ParkState.AWAKE;
  }

  /** Notifies those of `alive` that a vanished waker, of whatever kind, had chosen and perhaps not told (P4). Supervisor. */
  tellAgain(alive: number): void {
    let rest = alive;
    while (rest !== 0) {
      const member = 31 - Math.clz32(rest & -rest);
      rest &= rest - 1;
      const sleeps = this.stateOf(member);
      if (sleeps === ParkState.AWAKE) continue;
      // A NOTIFIED member counts whether it has its bit or not: the next waker would take it for told, and not kick it.
      const isParked = (this.#port.load(this.#place.parked) & (1 << member)) !== 0;
      if (sleeps !== ParkState.NOTIFIED && isParked) continue;
      // Chosen, and perhaps not told; or between the two stores of announce(). Told again, it wakes for nothing (P3).
      this.#port.store(this.#stateOf(member), ParkState.NOTIFIED);
      this.#port.notify(this.#stateOf(member), 1);
      this.#kick(member);
    }
  }

  #notify(member: number): void {
    const at = this.#stateOf(member);
    if (this.#port.exchange(at, ParkState.NOTIFIED) === ParkState.SLEEPS_KERNEL) this.#kick(member);
    else this.#port.notify(at, 1);
  }

  #stateOf(member: number): number {
    return this.#place.state + member * this.#place.stride;
  }

  #stampAt(member: number): number {
    return this.#place.stamp + member * this.#place.stride;
  }
}
