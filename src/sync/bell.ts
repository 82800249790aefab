/**
 * A bell: wakes all who wait for a change that is somewhere else, and costs who makes such changes one load while nobody
 * waits.
 *
 *     one word { times it was rung : 31, somebody may wait : 1 }
 *
 * B1  Who waits announces, looks again, and sleeps only while the word is what announce() returned. Who changes something
 *     rings after it. So either the look sees the change, or the ringing sees the announcement.
 * B2  Ringing takes the bit away and counts in one CAS, then notifies all. Who announces in between is woken for nothing.
 */
import type { Port } from './port.ts';
import { ALL } from './waiting.ts';

export class Bell {
  readonly #port: Port;
  readonly #at: number;

  constructor(port: Port, at: number) {
    this.#port = port;
    this.#at = at;
  }

  /** Returns the value at which to sleep, after another look. Any thread. */
  announce(): number {
    return this.#port.or(this.#at, 1) | 1;
  }

  /** Any thread, after what others may wait for. */
  ring(): void {
    const word = this.#port.load(this.#at);
    // Whoever was quicker has rung after our change too.
    if ((word & 1) !== 0 && this.#port.compareExchange(this.#at, word, (word + 1) | 0) === word)
      this.#port.notify(this.#at, ALL);
  }
}
