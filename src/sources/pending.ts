/**
 * Async handlers that have not settled. Their slots stay active in this worker; a teardown meanwhile sets the handle's
 * abort signal, and after a grace time the handle is revoked (its calls throw) and the slot ends without waiting.
 */
import { NO_GROUP } from '../slots/groups.ts';
import { Call, WorkerWord } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Cause, causeOf, detailOf } from '../slots/record.ts';
import { Flag, flagsOf } from '../slots/word.ts';

/** A handle that an async handler holds. */
export type Held = {
  readonly fd: number;
  /** Tells the handler that the end was asked for. */
  abort(): void;
  /** The grace time is over: calls of the handle throw from now on; ends the slot. */
  revoke(): void;
};

export class PendingHandlers {
  readonly #memory: PoolMemory;
  readonly #line: number;
  readonly #graceMs: number;
  readonly #held = new Map<number, Held>();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #onCount: (count: number) => void;

  constructor(memory: PoolMemory, worker: number, graceMs: number, onCount: (count: number) => void) {
    this.#memory = memory;
    this.#line = memory.layout.worker(worker);
    this.#graceMs = graceMs;
    this.#onCount = onCount;
  }

  /** The handler of `held` has not settled. If it is the `last` one of its slot, its grace time begins now. */
  add(held: Held, last: boolean): void {
    this.#held.set(held.fd, held);
    this.#onCount(this.#held.size);
    if (last) this.#limit(held);
    // A teardown that was asked for while the handler ran its first, synchronous part has called for attention already.
    else this.#check(held);
  }

  /** It has settled, or was revoked. */
  remove(held: Held): void {
    if (this.#held.get(held.fd) !== held) return;
    this.#held.delete(held.fd);
    clearTimeout(this.#timers.get(held.fd));
    this.#timers.delete(held.fd);
    this.#onCount(this.#held.size);
  }

  /** Somebody has asked for the end of one of them. */
  attend(): void {
    // Cleared before the look: who sets it again after this is seen by the next call.
    this.#memory.port.and(this.#line + WorkerWord.ATTENTION, ~Call.PENDING);
    for (const held of this.#held.values()) this.#check(held);
  }

  #check(held: Held): void {
    const { slots, records } = this.#memory;
    this.#heedGroup(held.fd);
    if ((flagsOf(slots.word(held.fd)) & Flag.FORCED) === 0 || this.#timers.has(held.fd)) return;
    // A drain lets handlers finish. If it takes too long, the pool asks again, with another cause.
    if (causeOf(records.reason(held.fd)) === Cause.POOL_CLOSE) return;
    this.#limit(held);
    held.abort();
  }

  /** A group that is torn down has its turn only when this handler has settled: so its member is asked here. */
  #heedGroup(index: number): void {
    const { slots, records, groups } = this.#memory;
    const ref = groups.refOf(index);
    if (ref === NO_GROUP || groups.generationOf(ref) === undefined) return;
    const group = groups.groupOf(ref);
    const reason = records.reason(group);
    if ((flagsOf(slots.word(group)) & Flag.FORCED) === 0 || causeOf(reason) !== Cause.TEARDOWN) return;
    const generation = slots.generation(index);
    if (records.giveReason(index, generation, Cause.TEARDOWN, detailOf(reason)))
      slots.request(index, generation, Flag.FORCED);
  }

  #limit(held: Held): void {
    const timer = setTimeout(() => {
      this.remove(held);
      held.revoke();
    }, this.#graceMs);
    this.#timers.set(held.fd, timer);
  }
}
