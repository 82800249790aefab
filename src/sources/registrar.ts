/**
 * Taking a slot for a descriptor. R2: FREE -> ACTIVE(registrar), fields, EPOLL_CTL_ADD, and only then the first finish:
 * readiness that comes before is collected in the word. If ADD fails the registrar, still owner, frees the slot.
 */
import { Errno, type Native } from '../native/index.ts';
import type { Strands } from '../reactor/strands.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { SlotWord } from '../slots/layout.ts';
import { type PoolMemory, PoolPhase } from '../slots/memory.ts';
import { Cause, Kind, packConfig, Trait } from '../slots/record.ts';
import { type Limits, traitsOf } from '../slots/timeouts.ts';
import { Flag, State } from '../slots/word.ts';

/** How long a registrar waits for the last steps of a slot's end. A worker that dies in them leaves them to the supervisor. */
const FREEING_MS = 100;

export type Application = {
  readonly handler: number;
  readonly kind: Kind;
  readonly traits: number;
  readonly events: number;
  readonly cookie: bigint;
  /** It lives in one worker. */
  readonly sticky?: boolean;
  /** The group that it joins, as its members name it; see slots/groups.ts. */
  readonly group?: number;
  /** What the kernel is asked for first, if not for `events`. */
  readonly first?: number;
  readonly listener?: { readonly index: number; readonly generation: number };
  /** Of a listener: those of its connections. */
  readonly limits?: Limits | undefined;
  /** Of a timer. */
  readonly timer?: { readonly afterMs: number; readonly periodMs: number };
};

export class Registrar {
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  readonly #native: Native;
  #nextSource = -1;

  constructor(memory: PoolMemory, strands: Strands, native: Native) {
    this.#memory = memory;
    this.#strands = strands;
    this.#native = native;
  }

  /**
   * Registers `fd`; the caller owns the slot then and ends its first turn. 0 or a negated errno: EEXIST if the number is
   * registered already, else what EPOLL_CTL_ADD said; then nothing is left armed or half-made.
   */
  register(fd: number, application: Application): number {
    return this.#take(fd) ? this.#begin(fd, application) : Errno.EEXIST;
  }

  /**
   * Takes the slot of a number that came from the app. A file of that number which the pool has just closed may have left
   * its slot a few instructions before FREE: that is waited for, the app cannot know of it.
   */
  #take(fd: number): boolean {
    const { slots, me, port, layout } = this.#memory;
    const end = performance.now() + FREEING_MS;
    while (!slots.register(fd, me)) {
      const frees = slots.isFreeing(fd);
      // It may have become FREE since register() looked.
      if ((!frees && slots.state(fd) !== State.FREE) || performance.now() > end) return false;
      // free() notifies; the time is for a slot that was freed since the look.
      if (frees) port.wait(layout.slot(fd) + SlotWord.GENERATION, slots.generation(fd), 1);
    }
    return true;
  }

  /**
   * Registers a descriptor that the kernel has just given to the caller. Its number is proof that an earlier file of
   * that number is closed; if that one's slot is not free yet, a slot that is closing is taken over, and for any other
   * the new file moves to another number. Returns the fd, or a negated errno; then the descriptor is closed.
   */
  adopt(fd: number, application: Application): number {
    const { layout } = this.#memory;
    let number = fd;
    while (number < layout.maxFds && !this.#inherit(number)) {
      const moved = this.#native.duplicate(fd, number + 1);
      if (number !== fd) this.#native.close(number);
      number = moved;
      if (number < 0) break;
    }
    if (number !== fd) this.#native.close(fd);
    if (number < 0) return number;
    const result = number < layout.maxFds ? this.#begin(number, application) : Errno.EMFILE;
    if (result < 0) this.#native.close(number);
    return result < 0 ? result : number;
  }

  /** Takes the slot of a number whose earlier file is closed. False if that one's last turn is not over. */
  #inherit(number: number): boolean {
    const { slots, me } = this.#memory;
    // Its owner may free the slot between any two of these looks.
    while (!slots.register(number, me) && !slots.takeOver(number, me))
      if (!slots.isFreeing(number) && slots.state(number) !== State.FREE) return false;
    return true;
  }

  /**
   * Registers a source that has no descriptor; the caller owns the slot then and ends its first turn. Returns the slot's
   * index, ENOSPC if `maxSources` are in use.
   */
  registerSource(application: Application): number {
    const { slots, me, layout } = this.#memory;
    const count = layout.slotCount - layout.maxFds;
    for (let looked = 0; looked < count; looked++) {
      // Round and round: a slot is used again as late as possible.
      this.#nextSource = (this.#nextSource + 1) % count;
      const index = layout.maxFds + this.#nextSource;
      if (!slots.register(index, me)) continue;
      this.#begin(index, application);
      return index;
    }
    return Errno.ENOSPC;
  }

  #begin(fd: number, application: Application): number {
    const { slots, records, census, states } = this.#memory;
    const { handler, kind, traits, events, cookie, listener, group = NO_GROUP, first = events } = application;
    const generation = slots.generation(fd);
    const timed = this.#beginTimes(fd, application);
    records.begin(fd, generation, packConfig(handler, kind, traits | timed), events, cookie);
    states.begin(fd, kind, handler);
    if (census.enter(fd, listener)) this.onFirst();
    if (application.sticky === true && !this.#memory.homes.settle(fd)) {
      // All workers have died just now.
      records.giveReason(fd, generation, Cause.WORKER_DIED, 0);
      slots.request(fd, generation, Flag.FORCED);
    }
    const result = this.#strands.arm(fd, first);
    if (result < 0) {
      this.#strands.abandon(fd);
      return result;
    }
    if (group !== NO_GROUP && !this.#strands.join(fd, group)) {
      // It has been torn down just now; so is this.
      records.giveReason(fd, generation, Cause.TEARDOWN, 0);
      slots.request(fd, generation, Flag.FORCED);
    }
    const { phase } = this.#memory;
    if (phase !== PoolPhase.OPEN) {
      // The pool began to close, and its sweep may have passed this slot: end it ourselves, as that would have.
      const cause = phase === PoolPhase.DRAINING ? Cause.POOL_CLOSE : Cause.POOL_DESTROY;
      records.giveReason(fd, generation, cause, 0);
      slots.request(fd, generation, Flag.FORCED);
    }
    if (timed !== 0 && kind !== Kind.LISTENER) this.#strands.schedule(fd);
    return result;
  }

  /** Fills the slot's times, if it is to have some; returns the traits that say so. */
  #beginTimes(index: number, { kind, limits, timer }: Application): number {
    const { timeouts } = this.#memory;
    if (timer !== undefined) {
      timeouts.beginTimer(index, timer.afterMs, timer.periodMs);
      return Trait.TIMED;
    }
    const traits = limits === undefined ? 0 : traitsOf(limits);
    if (limits === undefined || traits === 0) return 0;
    if (kind === Kind.LISTENER) timeouts.beginTemplate(index, limits);
    else timeouts.begin(index, limits);
    return traits;
  }

  /** The first registration of an empty pool. Set by whoever must know. */
  onFirst: () => void = () => {};
}
