/**
 * Replaces the pool's epoll set when registrations that have ended go on reporting events (G10; reactor/epoll-set.ts says how
 * slots follow). One per pool, in the thread that made the pool.
 *
 * Each look over the slots has those that are behind move, until a whole look has found none. A handler that is pending keeps
 * its slot where it is: that only puts off the end of the former set, on which nobody waits any more.
 */
import type { PoolDispatcher } from '../reactor/dispatcher.ts';
import type { Strands } from '../reactor/strands.ts';
import { Counter, Word } from '../slots/layout.ts';
import { PoolPhase } from '../slots/memory.ts';
import { State } from '../slots/word.ts';
import type { Descriptors } from './descriptors.ts';

/** From the end of a replacement to the next one; doubled when that is asked for soon, so that no app spends its time on it. */
const FIRST_GAP_MS = 1000;
const LAST_GAP_MS = 60_000;
/** Between two looks: longer and longer, for a look costs some 10 ns a slot. */
const FIRST_LOOK_MS = 5;
const LAST_LOOK_MS = 1000;
/** Slots that one look has move, some microseconds each; the next page follows at once. */
const MOST_MOVED = 1024;

export class Renewal {
  readonly #dispatcher: PoolDispatcher;
  readonly #strands: Strands;
  readonly #descriptors: Descriptors;
  #underWay = false;
  #endedAt = Number.NEGATIVE_INFINITY;
  #gapMs = FIRST_GAP_MS;

  constructor(dispatcher: PoolDispatcher, strands: Strands, descriptors: Descriptors) {
    this.#dispatcher = dispatcher;
    this.#strands = strands;
    this.#descriptors = descriptors;
  }

  /** Registrations that have ended go on reporting events: replaces the set, now or when it is time for that. */
  ask(): void {
    if (this.#underWay) return;
    this.#underWay = true;
    const sinceMs = performance.now() - this.#endedAt;
    if (sinceMs > 2 * this.#gapMs) this.#gapMs = FIRST_GAP_MS;
    else this.#gapMs = Math.min(2 * this.#gapMs, LAST_GAP_MS);
    this.#after(Math.max(0, this.#gapMs - sinceMs), () => {
      this.#begin();
    });
  }

  #begin(): void {
    const { memory } = this.#dispatcher;
    // Who would take slots out of it may end the pool meanwhile, and with it the set.
    const publish = (former: number): void => memory.port.store(Word.FORMER_SET, former);
    if (memory.phase !== PoolPhase.OPEN || !this.#descriptors.renew(publish)) {
      this.#end();
      // The next one is no second one.
      this.#gapMs = FIRST_GAP_MS / 2;
      return;
    }
    // After the set (S2).
    memory.port.add(Word.EPOCH, 1);
    // Who waits in the kernel waits on the former one.
    this.#dispatcher.wakePoller();
    this.#look(0, FIRST_LOOK_MS);
  }

  /** Has slots that are behind move, from `first` on; when all have been seen, the next look is in `ms`. */
  #look(first: number, ms: number): void {
    const { slots, layout } = this.#dispatcher.memory;
    let behind = 0;
    let index = first;
    for (; index < layout.maxFds && behind < MOST_MOVED; index++) {
      if (slots.state(index) === State.FREE || !this.#strands.isBehind(index)) continue;
      behind++;
      this.#strands.advance(index);
    }
    if (index === layout.maxFds && behind === 0 && first === 0) {
      this.#descriptors.forgetFormer();
      this.#dispatcher.memory.count(Counter.REBUILDS);
      this.#end();
      return;
    }
    // Those behind it after all of those before it, or the next page might see the first one again and again.
    if (index < layout.maxFds) this.#after(0, () => this.#look(index, ms));
    else this.#after(ms, () => this.#look(0, Math.min(2 * ms, LAST_LOOK_MS)));
  }

  #end(): void {
    this.#endedAt = performance.now();
    this.#underWay = false;
  }

  /** Unless the pool ends first: then the descriptors are gone. */
  #after(ms: number, act: () => void): void {
    setTimeout(() => {
      if (this.#dispatcher.memory.phase !== PoolPhase.CLOSED) act();
    }, ms).unref();
  }
}
