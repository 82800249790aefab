/**
 * A set of up to 32 members in one word with a bound on its size: becoming a member is one CAS that checks the
 * bound, and the members of a vanished thread can be taken out by name. A bare counter would drift.
 */
import type { Port } from './port.ts';

/** How many bits are set. */
export function popcount(bits: number): number {
  let v = bits - ((bits >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return (((v + (v >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

export class BoundedSet {
  readonly #port: Port;
  readonly #at: number;

  constructor(port: Port, at: number) {
    this.#port = port;
    this.#at = at;
  }

  /** Enters `member` if fewer than `bound` others are in. True if it is in now. */
  enter(member: number, bound: number): boolean {
    const bit = 1 << member;
    for (;;) {
      const bits = this.#port.load(this.#at);
      if ((bits & bit) !== 0) return true;
      if (popcount(bits) >= bound) return false;
      if (this.#port.compareExchange(this.#at, bits, bits | bit) === bits) return true;
    }
  }

  /** Enters `member` whatever the bound; how many are in then. */
  enterAnyway(member: number): number {
    const bit = 1 << member;
    return popcount(this.#port.or(this.#at, bit) | bit);
  }

  /** Takes `member` out if more than `bound` are in, it among them; whether it did. Of several that ask, no more than must. */
  leaveIfOver(member: number, bound: number): boolean {
    const bit = 1 << member;
    for (;;) {
      const bits = this.#port.load(this.#at);
      if ((bits & bit) === 0 || popcount(bits) <= bound) return false;
      if (this.#port.compareExchange(this.#at, bits, bits & ~bit) === bits) return true;
    }
  }

  /** Gives the place of `member` to `other`, in one step. False if the one is not in, or the other is already. */
  transfer(member: number, other: number): boolean {
    const bit = 1 << member;
    const otherBit = 1 << other;
    for (;;) {
      const bits = this.#port.load(this.#at);
      if ((bits & bit) === 0 || (bits & otherBit) !== 0) return false;
      if (this.#port.compareExchange(this.#at, bits, (bits & ~bit) | otherBit) === bits) return true;
    }
  }

  /** Takes `member` out; whether it was in. */
  leave(member: number): boolean {
    const bit = 1 << member;
    return (this.#port.and(this.#at, ~bit) & bit) !== 0;
  }

  get bits(): number {
    return this.#port.load(this.#at);
  }

  get size(): number {
    return popcount(this.#port.load(this.#at));
  }
}
