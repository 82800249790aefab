/**
 * Timers that stand alone: slots without a descriptor that are delivered when their time has come. The time of a timer is
 * one word (slots/timeouts.ts), moved and taken by compare-and-swap: whoever wins, the other one sees it.
 */
import { makeError, show } from '../errors.ts';
import { checkNames, invalid } from '../options.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import type { Strands } from '../reactor/strands.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Cause, Kind, kindOf, Trait } from '../slots/record.ts';
import { Reset } from '../slots/timeouts.ts';
import { READY_NONE } from '../slots/word.ts';
import type { PoolAccess } from './access.ts';
import { checkCookie } from './add.ts';
import { type Group, type GroupId, groupRef } from './group.ts';
import { checkDelay, timeout } from './limits.ts';
import { Registration } from './registration.ts';
import { exhausted, findFunction, isSourceId } from './user-event.ts';

export type TimerOptions = {
  /** Name of a handler that is a function; it is given an `FdEvent` whose `value` is the number of periods. */
  readonly handler: string;
  /** Milliseconds to the first delivery, an integer from 1 to 2^30. Default: `everyMs`. */
  readonly afterMs?: number;
  /** Milliseconds from one delivery to the next, an integer from 1 to 2^30. Default: there is one delivery. */
  readonly everyMs?: number;
  /** 64 bits of the user's, handed to the handler. */
  readonly cookie?: bigint | number;
  /** The group that it joins. */
  readonly group?: Group | GroupId;
};

/** Names a timer for another thread: plain data, never reused. */
export type TimerId = { readonly source: number; readonly generation: number };

const OPTION_NAMES: Readonly<Record<keyof TimerOptions, true>> = {
  handler: true,
  afterMs: true,
  everyMs: true,
  cookie: true,
  group: true,
};

export class Timer {
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  readonly #registration: Registration;

  /** Use `pool.timer()`, or `startTimer()` and `timer()` in a worker. */
  constructor(memory: PoolMemory, strands: Strands, index: number, generation: number) {
    this.#memory = memory;
    this.#strands = strands;
    this.#registration = new Registration(memory, strands, index, generation);
  }

  /** Plain data that names this timer in any thread of the pool. */
  get id(): TimerId {
    return { source: this.#registration.fd, generation: this.#registration.generation };
  }

  /** Whether the timer has not ended. Any thread. */
  get active(): boolean {
    return this.#registration.active;
  }

  /**
   * Moves the next delivery to `afterMs` from now; a periodic timer goes on from there. Any thread. No system call and no
   * lock if that is later than it was. What was due and not delivered is not delivered any more. A one-shot timer that is
   * reset in its own handler does not end with it.
   * @param afterMs milliseconds, an integer from 1 to 2^30
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   * @throws ERR_WAKEONE_STALE_REGISTRATION if the timer has ended; then nothing has changed
   */
  reset(afterMs: number): void {
    const { fd: index, generation } = this.#registration;
    const { slots, records } = this.#memory;
    const isLive = (): boolean =>
      slots.isLive(index, generation) && kindOf(records.config(index)) === Kind.TIMER;
    switch (this.#memory.timeouts.resetTimer(index, checkDelay('afterMs', afterMs), isLive)) {
      case Reset.STALE:
        throw makeError('ERR_WAKEONE_STALE_REGISTRATION', `${index} (a timer)`);
      case Reset.SOONER:
        this.#strands.schedule(index);
        return;
      case Reset.LATER:
        return;
    }
  }

  /**
   * Ends the timer. Any thread, idempotent. Its handler is not told; one that runs is not interrupted. Resolves when it is
   * over: after that no delivery begins. A handler of the same timer must not wait for it.
   */
  async cancel(): Promise<void> {
    this.#registration.force(Cause.TEARDOWN);
    await this.ended();
  }

  /** Resolves when the timer has ended: cancelled, delivered once and for all, or with its pool. Any thread. */
  ended(): Promise<void> {
    return this.#registration.ended();
  }
}

/**
 * Makes a timer. Any thread of the pool.
 * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND,
 *   ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_OTHER_POOL, ERR_WAKEONE_STALE_REGISTRATION; then nothing has changed
 */
export function openTimer(
  { memory, strands, registrar }: PoolAccess,
  options: TimerOptions,
  entries: readonly HandlerEntry[],
): Timer {
  checkNames(options, OPTION_NAMES);
  const handler = findFunction(options.handler, entries);
  const periodMs = timeout('everyMs', options.everyMs);
  const afterMs = timeout('afterMs', options.afterMs) || periodMs;
  if (afterMs === 0) throw invalid('afterMs', 'given, or else everyMs', undefined);
  const index = registrar.registerSource({
    handler,
    kind: Kind.TIMER,
    traits: Trait.EDGE,
    events: READY_NONE,
    cookie: checkCookie(options.cookie),
    group: groupRef(memory, strands, options.group),
    timer: { afterMs, periodMs },
  });
  if (index < 0) throw exhausted(memory);
  const timer = new Timer(memory, strands, index, memory.slots.generation(index));
  strands.handOver(index, READY_NONE);
  return timer;
}

/** A timer by its id. Any thread. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function timerById(memory: PoolMemory, strands: Strands, id: TimerId): Timer {
  if (!isSourceId(memory, id))
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'id', 'the id of a timer', show(id));
  return new Timer(memory, strands, id.source, id.generation);
}
