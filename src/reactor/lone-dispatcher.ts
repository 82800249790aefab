/**
 * The dispatcher of the worker of a one-thread pool. What it pushes nobody else could take: so it keeps these hints to itself,
 * and saves the ring's compare-and-swaps. (That is a seventh of what an event costs outside of the kernel.)
 *
 *     its own hints … ─▶ the poll hint comes up ─▶ what is in the ring by then ─▶ the poll hint again: the kernel is asked ─┐
 *          ▲──────────────────────── behind each batch of events, and whatever wants another turn ◀──────────────────────────┘
 *
 * F1  Neither the ring nor the kernel waits for more than what there is when the poll hint was last put back.
 * F2  For that the poll hint must be here. So nothing is kept before it was put back for the first time: until then, and
 *     while `init` runs, it is in the ring, where what it is to come behind belongs too.
 * F3  They are no more than hints: if the worker dies, the supervisor pushes every queued slot again, as it does after any
 *     death of one that has run, and replaces the poll hint.
 */
import { Dispatcher, type DispatcherKernel, type DispatcherMemory } from './dispatcher.ts';
import { OwnHints } from './own-hints.ts';

/**
 * What it knows: its own hints, how many of the ring come first, whether the ring had its turn since the last poll, and whether
 * it keeps hints yet.
 */
export type LoneStanding = {
  readonly keeps: boolean;
  readonly hints: readonly number[];
  readonly due: number;
  readonly hadTurn: boolean;
};
const AT_FIRST: LoneStanding = { keeps: false, hints: [], due: 0, hadTurn: false };

export class LoneDispatcher<
  Memory extends DispatcherMemory,
  Kernel extends DispatcherKernel,
> extends Dispatcher<Memory, Kernel> {
  readonly #own = new OwnHints();
  #due: number;
  #hadTurn: boolean;
  #keeps: boolean;

  /** Another beginning is for tests. */
  constructor(memory: Memory, native: Kernel, { keeps, hints, due, hadTurn }: LoneStanding = AT_FIRST) {
    super(memory, native);
    this.#keeps = keeps;
    for (const hint of hints) this.#own.push(hint);
    this.#due = due;
    this.#hadTurn = hadTurn;
  }

  get standing(): LoneStanding {
    return { keeps: this.#keeps, hints: this.#own.all, due: this.#due, hadTurn: this.#hadTurn };
  }

  override get alone(): boolean {
    return true;
  }

  override push(hint: number): void {
    this.#keeps ||= this.isPollHint(hint);
    if (this.#keeps) this.#own.push(hint);
    else super.push(hint);
  }

  override take(): number {
    if (this.#due > 0) {
      this.#due--;
      const shared = super.take();
      if (shared !== 0) return shared;
      this.#due = 0;
    }
    const hint = this.#own.take();
    if (hint === 0) return super.take();
    return this.isPollHint(hint) ? this.#pollInTurn(hint) : hint;
  }

  #pollInTurn(pollHint: number): number {
    const shared = this.#hadTurn ? 0 : super.take();
    this.#hadTurn = shared !== 0;
    if (shared === 0) return pollHint;
    this.#due = super.waiting;
    this.#own.push(pollHint);
    return shared;
  }

  override hasWork(): boolean {
    return this.#own.length > 0 || super.hasWork();
  }

  override get waiting(): number {
    return super.waiting + this.#own.length;
  }
}
