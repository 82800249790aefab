/** Random numbers that can be had again: the seed is printed, and taken from WAKEONE_SEED if that is set. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number = freshSeed()) {
    this.seed = seed;
    this.#state = seed;
  }

  /** An integer from 0 to 2^32 - 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next() & 255;
    return bytes;
  }
}

function freshSeed(): number {
  const given = process.env['WAKEONE_SEED'];
  const seed = given === undefined ? (Math.random() * 2 ** 31) | 0 : Number(given);
  console.log(`WAKEONE_SEED=${seed}`);
  return seed;
}
