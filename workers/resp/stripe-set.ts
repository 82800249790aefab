/** The stripes of several keys, locked in ascending order and each once, so that two threads never wait for each other. */
import { STRIPES } from './layout.ts';
import type { Table } from './table.ts';

export class StripeSet {
  readonly #table: Table;
  readonly #bits: Int32Array = new Int32Array(STRIPES / 32);

  constructor(table: Table) {
    this.#table = table;
  }

  /** While nothing is locked. */
  clear(): void {
    this.#bits.fill(0);
  }

  add(stripe: number): void {
    this.#bits[stripe >>> 5] = (this.#bits[stripe >>> 5] ?? 0) | (1 << (stripe & 31));
  }

  lock(): void {
    for (let stripe = 0; stripe < STRIPES; stripe++) if (this.#has(stripe)) this.#table.lock(stripe);
  }

  unlock(): void {
    for (let stripe = 0; stripe < STRIPES; stripe++) if (this.#has(stripe)) this.#table.unlock(stripe);
  }

  #has(stripe: number): boolean {
    return (((this.#bits[stripe >>> 5] ?? 0) >>> (stripe & 31)) & 1) !== 0;
  }
}
