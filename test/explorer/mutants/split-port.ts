/** A port that has lost its atomicity at some words: a compareExchange there is a load and a store. */
import type { Port, WaitResult } from '../../../src/sync/port.ts';

export class SplitPort implements Port {
  readonly #port: Port;
  readonly #isSplit: (at: number) => boolean;

  constructor(port: Port, isSplit: (at: number) => boolean) {
    this.#port = port;
    this.#isSplit = isSplit;
  }

  compareExchange(at: number, expected: number, value: number): number {
    if (!this.#isSplit(at)) return this.#port.compareExchange(at, expected, value);
    const found = this.#port.load(at);
    if (found === expected) this.#port.store(at, value);
    return found;
  }

  load(at: number): number {
    return this.#port.load(at);
  }

  peek(at: number): number {
    return this.#port.peek(at);
  }

  store(at: number, value: number): void {
    this.#port.store(at, value);
  }

  poke(at: number, value: number): void {
    this.#port.poke(at, value);
  }

  exchange(at: number, value: number): number {
    return this.#port.exchange(at, value);
  }

  add(at: number, value: number): number {
    return this.#port.add(at, value);
  }

  or(at: number, bits: number): number {
    return this.#port.or(at, bits);
  }

  and(at: number, bits: number): number {
    return this.#port.and(at, bits);
  }

  wait(at: number, value: number, timeoutMs: number): WaitResult {
    return this.#port.wait(at, value, timeoutMs);
  }

  notify(at: number, count: number): number {
    return this.#port.notify(at, count);
  }
}
