/**
 * Homes: the worker in which a sticky slot lives, { home + 1 : 6 } in its config word, 0 for none. Beside each worker is a count
 * of the slots that live there.
 *
 *     registrar: count + 1 ─▶ home into the slot ─▶ is the worker still there? (else another)
 *     end: home out of the slot, by one AND; death: HOME_GONE into it, by one OR ─▶ count - 1, by whoever changed it
 *
 * H1  The count is never less than there are: who vanishes in between leaves it too high. So a worker whose count is 0 may
 *     retire; after one that is too high it only stays longer, and gets less.
 * H2  A worker closes its mailbox, and then looks at the slots; the registrar names its home in the slot, and then looks at
 *     the mailbox: one of them sees the other.
 */
import type { Port } from '../sync/port.ts';
import { Config, type Layout, SlotWord, WorkerWord } from './layout.ts';
import { HOME_SHIFT, homeOf, homeTrait, isWorker, NO_HOME } from './record.ts';

const HOME_MASK = -1 << HOME_SHIFT;
/** All bits: whatever home there was becomes this. */
const HOME_GONE_FIELD = HOME_MASK;

export class Homes {
  readonly #port: Port;
  readonly #layout: Layout;

  constructor(port: Port, layout: Layout) {
    this.#port = port;
    this.#layout = layout;
  }

  /** The worker (0-based) in which a slot lives; NO_HOME if anywhere, HOME_GONE if that worker has died. As of a plain read. */
  of(index: number): number {
    return homeOf(this.#port.peek(this.#layout.slot(index) + SlotWord.CONFIG));
  }

  /** Sticky slots that live in a worker, or a few more. */
  countOf(worker: number): number {
    return this.#port.load(this.#layout.worker(worker) + WorkerWord.STRANDS);
  }

  /** Gives a slot the home that has the fewest. Its registrar. False if no worker is there. */
  settle(index: number): boolean {
    for (;;) {
      const worker = this.#least();
      if (worker === NO_HOME) return false;
      this.#port.add(this.#layout.worker(worker) + WorkerWord.STRANDS, 1);
      this.#port.or(this.#layout.slot(index) + SlotWord.CONFIG, homeTrait(worker));
      if (this.#isThere(worker)) return true;
      this.leave(index);
    }
  }

  /** A slot that ends has no home any more. Its owner. */
  leave(index: number): void {
    this.#uncount(this.#port.and(this.#layout.slot(index) + SlotWord.CONFIG, ~HOME_MASK));
  }

  /** The home of a slot has died. True if nobody had noticed. Supervisor. */
  evict(index: number): boolean {
    return this.#uncount(this.#port.or(this.#layout.slot(index) + SlotWord.CONFIG, HOME_GONE_FIELD));
  }

  #uncount(config: number): boolean {
    const worker = homeOf(config);
    if (!isWorker(worker)) return false;
    this.#port.add(this.#layout.worker(worker) + WorkerWord.STRANDS, -1);
    return true;
  }

  #least(): number {
    let least = NO_HOME;
    let fewest = Number.POSITIVE_INFINITY;
    for (let worker = 0; worker < this.#port.load(Config.MAX_THREADS); worker++) {
      if (!this.#isThere(worker)) continue;
      const count = this.countOf(worker);
      if (count >= fewest) continue;
      least = worker;
      fewest = count;
    }
    return least;
  }

  #isThere(worker: number): boolean {
    return this.#port.load(this.#layout.worker(worker) + WorkerWord.OPEN) !== 0;
  }
}
