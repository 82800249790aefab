/**
 * Whether a worker that has run out of work looks for posts a while before it rests. To wake it costs the poster a system
 * call (10 to 20 us), as much as some hundred posts: if more of them come soon, it had better be found awake.
 *
 *     last work was posted, and it was woken for that or found it here ──▶ lingers ──found──▶ works
 *                                                                          └──nothing──▶ rests
 *
 * It counts as the one that searches meanwhile, so nobody is woken for what comes (D1); and it looks at intervals, not all the
 * time: each look takes words from the posters that they are about to write, and what has come in between is one delivery.
 * At each look it lets others have its CPU: the kernel likes to run who was woken where its waker runs, and a worker that
 * keeps the poster from posting waits in vain.
 *
 * G1  Nobody lingers after I/O or twice without work in between, and none longer than LINGER_MS and a yield: the kernel is asked
 *     after it in any case, and an idle pool rests.
 * G2  After n looks in vain the next 2^n - 1 occasions are let pass: where posts are rare this costs next to nothing.
 * G3  A yield may last as long as the kernel likes, some milliseconds if somebody has much to do on this CPU. It ends the
 *     lingering then; but a worker that holds the poll hint, for which others could ask the kernel, does not yield.
 */
import { Kind } from '../slots/record.ts';

/** About what a wake-up costs both sides, until the woken one runs. */
const LINGER_MS = 0.1;
const LOOK_MS = 0.01;
const MOST_MISSES = 6;

/** What a worker needs to linger. */
export type Searcher = {
  /** Becomes the one that searches, unless another one is. */
  search(): boolean;
  /** The look. */
  finds(): boolean;
  stopSearching(): void;
};

export class Linger {
  readonly #searcher: Searcher;
  readonly #yieldThread: () => void;
  readonly #now: () => number;
  #worked = false;
  #eager = false;
  #misses = 0;
  #skips = 0;

  constructor(searcher: Searcher, yieldThread: () => void, now: () => number = () => performance.now()) {
    this.#searcher = searcher;
    this.#yieldThread = yieldThread;
    this.#now = now;
  }

  /** A turn of a slot of this kind begins. */
  noteTurn(kind: Kind): void {
    this.#worked = kind === Kind.EVENT || kind === Kind.ITEM;
  }

  /** A rest is over; `woken` by another thread, and not by the kernel. */
  noteRest(woken: boolean): void {
    this.#eager = woken;
  }

  /** Before a rest: lingers if that is likely to pay. True if there is something to do. `yields`: see G3. */
  linger(yields: boolean): boolean {
    if (!this.#worked || !this.#eager) return false;
    this.#worked = false;
    if (this.#skips > 0) {
      this.#skips--;
      return false;
    }
    if (!this.#searcher.search()) return false;
    this.#eager = this.#look(yields);
    if (this.#eager) {
      this.#misses = 0;
      return true;
    }
    this.#searcher.stopSearching();
    this.#misses = Math.min(this.#misses + 1, MOST_MISSES);
    this.#skips = (1 << this.#misses) - 1;
    return false;
  }

  #look(yields: boolean): boolean {
    let now = this.#now();
    for (const end = now + LINGER_MS; now < end;) {
      const next = now + LOOK_MS;
      if (yields) this.#yieldThread();
      do now = this.#now();
      while (now < next);
      if (this.#searcher.finds()) return true;
    }
    return false;
  }
}
