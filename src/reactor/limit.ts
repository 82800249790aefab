/**
 * The limit on runnable workers: who may take hints now. The truth is two words, the bits of the runnable workers and the
 * limit itself; a third one, REVIEWS, counts the changes after which a worker that runs must look whether it still may.
 *
 *     changer:  store bits or limit;  add to REVIEWS        (the limit is set, a worker comes back, a bit is taken away)
 *     worker:   load REVIEWS;  look at bits and limit       (then remembers what it has loaded)
 *               store its bit;  load REVIEWS again          (changed: it looks once more, and may have to leave)
 *
 * L1  A worker compares REVIEWS with what it remembers before each hint, by a plain read. If the count is as it was, no
 *     change has come since its last look: it has its bit, and the limit was kept then.
 * L2  Nobody but enter() makes more bits unless it adds to REVIEWS after it: so who finds more bits than the limit when it
 *     looks takes out its own, by a CAS that checks the same bits, and of several that look only as many leave as must.
 * L3  A changer that vanishes before it adds to REVIEWS leaves a change that nobody looks at; so the reaper adds after each
 *     death of a worker, and the monitor when it starts.
 */
import { Config, Word } from '../slots/layout.ts';
import { BoundedSet } from '../sync/bitset.ts';
import type { Port } from '../sync/port.ts';

export class Limit {
  /** The workers that are runnable. */
  readonly runnable: BoundedSet;
  protected readonly port: Port;

  constructor(port: Port) {
    this.port = port;
    this.runnable = new BoundedSet(port, Word.RUNNABLE);
  }

  /** Most workers that may be runnable at once. */
  get concurrency(): number {
    return this.port.load(Config.CONCURRENCY);
  }

  /** Whether one more may become runnable. */
  get hasRoom(): boolean {
    return this.runnable.size < this.concurrency;
  }

  /** Changes that ask for a look, so far; a plain read. */
  get reviews(): number {
    return this.port.peek(Word.REVIEWS);
  }

  /** The same before a look: ordered with the loads that follow. */
  beginReview(): number {
    return this.port.load(Word.REVIEWS);
  }

  /** Becomes runnable if there is room. True if it is runnable now. The worker itself. */
  enter(worker: number): boolean {
    return this.runnable.enter(worker, this.concurrency);
  }

  /** Stops being runnable if there are more than may be. True if it has. The worker itself, which looks for work then. */
  yieldPlace(worker: number): boolean {
    return this.runnable.leaveIfOver(worker, this.concurrency);
  }

  /** Is runnable again after it was away in the middle of a handler, whether there is room or not. The worker itself. */
  comeBack(worker: number): void {
    if (this.runnable.enterAnyway(worker) > this.concurrency) this.askForReview();
  }

  /** Takes a worker's bit away: its thread sleeps, and may wake up at any time without knowing. The monitor. */
  revoke(worker: number): void {
    if (this.runnable.leave(worker)) this.askForReview();
  }

  /** Sets the limit. The caller owes the wake rule. */
  set(concurrency: number): void {
    this.port.store(Config.CONCURRENCY, concurrency);
    this.askForReview();
  }

  /** Every worker that runs looks, before its next hint, whether it still may. Any thread. */
  askForReview(): void {
    this.port.add(Word.REVIEWS, 1);
  }
}
