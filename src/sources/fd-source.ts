/**
 * Turns of what is served by a function: bare descriptors, user events, posted items, timers. One handler call a delivery,
 * and for descriptors and user events one more for the last.
 */
import type { Source } from '../reactor/source.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { Counter } from '../slots/layout.ts';
import {
  Cause,
  causeOf,
  eventsOf,
  handlerOf,
  isSilent,
  Kind,
  kindOf,
  mergeOf,
  Trait,
} from '../slots/record.ts';
import type { TimeoutKind } from '../slots/timeouts.ts';
import { MAX_USER_VALUE, Merge } from '../slots/user.ts';
import { Flag, FLAGS_NONE, flagsOf, READY_NONE, Ready, readyOf } from '../slots/word.ts';
import { enterTurn, isPromise, leaveTurn, type WorkerContext } from './context.ts';
import { type Delivery, FdEvent } from './fd-event.ts';
import type { FdHandler } from './handlers.ts';
import type { Held } from './pending.ts';
import { type CloseReason, reasonFrom } from './reason.ts';

/** Delivered once for each edge, never repeated for being still true. */
const CONDITIONS = Ready.ERR | Ready.HUP | Ready.RDHUP;

/** How long a turn goes on with posts that count. */
const TURN_MS = 1;
/** Whether to look at the clock after so many units: at once for slow handlers, seldom for fast ones. */
const isLook = (unit: number): boolean => (unit & (unit < 16 ? unit - 1 : 15)) === 0;
/** What has a turn look at the times of its slot: the monitor found one over, or a silence has ended. */
const LOOK_AT_TIME = Flag.TIMER | Flag.CONTROL;

export class FdSource implements Source {
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  turn(index: number, claimed: number): void {
    const { memory } = this.#context;
    enterTurn(this.#context, index);
    const kind = kindOf(memory.records.config(index));
    if (kind === Kind.ITEM) {
      this.#item(index, claimed);
      return;
    }
    if (kind === Kind.TIMER) {
      this.#timer(index, claimed);
      return;
    }
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      this.#last(index, reasonFrom(memory.records.reason(index)));
      return;
    }
    const mailbox = memory.records.mailbox(index);
    const events = eventsOf(mailbox);
    const config = memory.records.config(index);
    const edge = (config & Trait.EDGE) !== 0;
    // What a oneshot fd was asked for has changed: re-arming tests the condition anew, what was seen before is void.
    const retest = !edge && (flagsOf(claimed) & Flag.CONTROL) !== 0;
    const bits = retest ? READY_NONE : readyOf(claimed);
    // Only what is asked for is delivered; the rest of an edge-triggered fd is kept for the day it is asked for.
    const asked = bits & (events | CONDITIONS);
    const silent = isSilent(mailbox);
    const value = silent || flagsOf(claimed) === FLAGS_NONE ? 0 : this.#take(index);
    // A timeout that comes while nothing may be delivered is found again by the turn that ends the silence.
    const looksAtTime = (config & Trait.TIMED) !== 0 && !silent && (flagsOf(claimed) & LOOK_AT_TIME) !== 0;
    const timeout = looksAtTime ? this.#timeout(index, asked !== 0 || value !== 0) : undefined;
    if (silent || (asked === 0 && value === 0 && timeout === undefined)) {
      this.#finish(index, edge ? bits : READY_NONE, events, silent);
      return;
    }
    const delivery = this.#deliveryOf(index, asked, events, undefined, value, timeout);
    delivery.left = bits & ~CONDITIONS;
    if (value !== 0 && mergeOf(config) === Merge.COUNT) {
      this.#units(index, delivery);
      return;
    }
    // Silent until somebody re-arms: the handler, or another thread meanwhile.
    if ((config & Trait.MANUAL) !== 0) memory.records.hold(index, delivery.generation, true);
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => this.#after(event, delivery));
  }

  /**
   * Posts that count: a call for each, and several calls in a turn, since a turn costs more than a call. Each unit is taken
   * by itself: a worker that dies loses one. Ends when the time of a turn is over, or something else is asked. In a group others
   * may have been posted to in between: one call, then it is their turn.
   */
  #units(index: number, delivery: Delivery): void {
    const { users, slots, groups } = this.#context.memory;
    const alone = groups.refOf(index) === NO_GROUP;
    const began = performance.now();
    for (let unit = 1; ; unit++) {
      const event = new FdEvent(delivery);
      if (!this.#invoke(event, delivery, () => this.#after(event, delivery))) return;
      FdEvent.revoke(event);
      if (!alone || delivery.teardown !== undefined || (slots.waitingFlags(index) & ~Flag.USER) !== 0) break;
      if (isLook(unit) && performance.now() - began >= TURN_MS) break;
      if (users.take(index, true) === 0) break;
    }
    this.#conclude(delivery);
  }

  #after(event: FdEvent, delivery: Delivery): void {
    FdEvent.revoke(event);
    this.#conclude(delivery);
  }

  #conclude(delivery: Delivery): void {
    const { fd } = delivery;
    const { records, timeouts } = this.#context.memory;
    if ((records.config(fd) & Trait.IDLE) !== 0) timeouts.touch(fd);
    if (delivery.value !== 0) this.#settle(fd, delivery.generation);
    if (delivery.teardown !== undefined) {
      records.giveReason(fd, delivery.generation, Cause.TEARDOWN, delivery.teardown);
      this.#last(fd, reasonFrom(records.reason(fd)));
      return;
    }
    const mailbox = records.mailbox(fd);
    this.#finish(fd, delivery.left, eventsOf(mailbox), isSilent(mailbox));
  }

  #last(index: number, reason: CloseReason): void {
    if (!this.#context.strands.beginEnd(index)) return;
    // What was posted and not delivered comes with the last delivery.
    const { users, slots } = this.#context.memory;
    const value = users.takeLast(index, slots.generation(index));
    const delivery = this.#deliveryOf(index, READY_NONE, READY_NONE, reason, value);
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => {
      FdEvent.revoke(event);
      if (value !== 0) users.settle(index);
      leaveTurn(this.#context, index);
      this.#context.locals.drop(index);
      this.#context.strands.end(index, false);
    });
  }

  /** The only delivery of a posted item. If a worker died in it, nothing is left to deliver. */
  #item(index: number, claimed: number): void {
    const { records, users } = this.#context.memory;
    const destroyed =
      (flagsOf(claimed) & Flag.FORCED) !== 0 && causeOf(records.reason(index)) !== Cause.POOL_CLOSE;
    const reason = destroyed ? reasonFrom(records.reason(index)) : undefined;
    if (users.take(index, true) === 0) {
      this.#over(index);
      return;
    }
    const delivery = this.#deliveryOf(index, READY_NONE, READY_NONE, reason, records.number(index));
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => {
      FdEvent.revoke(event);
      users.settle(index);
      this.#over(index);
    });
  }

  /**
   * A turn of a timer. Its end is silent: who cancels it knows, and a pool that ends has no use for it. If a worker has died
   * in the only delivery, nothing is left to deliver.
   */
  #timer(index: number, claimed: number): void {
    const { records, users, slots } = this.#context.memory;
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      this.#over(index);
      return;
    }
    const silent = isSilent(records.mailbox(index));
    const count = silent ? 0 : this.#takePeriods(index, slots.generation(index));
    if (count === 0) {
      this.#goOn(index, silent);
      return;
    }
    const delivery = this.#deliveryOf(index, READY_NONE, READY_NONE, undefined, count);
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => {
      FdEvent.revoke(event);
      users.settle(index);
      if (delivery.teardown === undefined) this.#goOn(index, isSilent(records.mailbox(index)));
      else this.#over(index);
    });
  }

  /** Takes the periods that are over, marked as a post is: if this worker dies with them, that is told. */
  #takePeriods(index: number, generation: number): number {
    const { timeouts, users } = this.#context.memory;
    for (;;) {
      const { due, count } = timeouts.timerPeriods(index);
      if (count === 0) return 0;
      users.post(index, generation, Merge.LAST, Math.min(count, MAX_USER_VALUE));
      users.take(index, false);
      if (timeouts.takePeriods(index, due, count)) return count;
      // It was reset meanwhile.
      users.settle(index);
    }
  }

  /** After a turn of a timer: it waits for its next expiry, or has had its only one. */
  #goOn(index: number, silent: boolean): void {
    if (this.#context.memory.timeouts.endTimer(index)) {
      this.#over(index);
      return;
    }
    if (!silent) this.#context.strands.schedule(index);
    this.#finish(index, READY_NONE, READY_NONE, silent);
  }

  /** The timeout of a descriptor that is over. The monitor is to look again, whatever comes of it. */
  #timeout(index: number, active: boolean): TimeoutKind | undefined {
    const { records, timeouts } = this.#context.memory;
    const config = records.config(index);
    // What is delivered in this turn ends the silence.
    if (active && (config & Trait.IDLE) !== 0) timeouts.touch(index);
    const timeout = timeouts.expire(index, config);
    this.#context.strands.schedule(index);
    return timeout;
  }

  #over(index: number): void {
    leaveTurn(this.#context, index);
    if (this.#context.strands.beginEnd(index)) this.#context.strands.end(index, false);
  }

  /** What was posted to a user event or, by trigger(), to a descriptor. */
  #take(index: number): number {
    const { users, records } = this.#context.memory;
    return users.take(index, mergeOf(records.config(index)) === Merge.COUNT);
  }

  /** The value was dealt with; if more waits, another turn comes. */
  #settle(index: number, generation: number): void {
    const { users, slots } = this.#context.memory;
    users.settle(index);
    if (users.waiting(index) !== 0) slots.request(index, generation, Flag.USER);
  }

  #deliveryOf(
    fd: number,
    bits: number,
    events: number,
    reason: CloseReason | undefined,
    value: number,
    timeout?: TimeoutKind,
  ): Delivery {
    const context = this.#context;
    const { slots, records } = context.memory;
    const generation = slots.generation(fd);
    const config = records.config(fd);
    return {
      context,
      fd,
      generation,
      config,
      bits,
      events,
      reason,
      value,
      timeout,
      left: 0,
      teardown: undefined,
    };
  }

  #finish(index: number, leftover: number, events: number, silent: boolean): void {
    leaveTurn(this.#context, index);
    this.#context.strands.finish(index, leftover, events | CONDITIONS, silent);
  }

  /** Calls the handler, and `then` when it is done, now or later. */
  #call(event: FdEvent, delivery: Delivery, then: () => void): void {
    if (this.#invoke(event, delivery, then)) then();
  }

  /** Calls the handler. True if it is done; else `then` is called when it is. */
  #invoke(event: FdEvent, delivery: Delivery, then: () => void): boolean {
    const { handlers, memory } = this.#context;
    const handler = handlers[handlerOf(delivery.config)] as FdHandler;
    memory.count(Counter.HANDLED);
    try {
      const result: unknown = handler(event);
      if (!isPromise(result)) return true;
      this.#suspend(event, delivery, result, then);
      return false;
    } catch (error) {
      this.#failed(error, delivery);
      return true;
    }
  }

  #suspend(event: FdEvent, delivery: Delivery, result: PromiseLike<unknown>, then: () => void): void {
    const { pending, loop } = this.#context;
    let over = false;
    const held: Held = {
      fd: delivery.fd,
      abort: () => FdEvent.abort(event),
      revoke: () => {
        over = true;
        delivery.teardown ??= 0;
        then();
      },
    };
    const settle = (): void => {
      if (over) return;
      over = true;
      pending.remove(held);
      loop.noteUserCode();
      then();
    };
    // A thenable might settle at once, or throw: a promise of it does neither.
    Promise.resolve(result).then(settle, (error: unknown) => {
      if (!FdEvent.gaveUp(event, error)) this.#failed(error, delivery);
      settle();
    });
    pending.add(held, delivery.reason !== undefined);
    loop.runMicrotasks();
  }

  /** A descriptor whose handler failed is torn down, since nobody knows what was read; a user event goes on. */
  #failed(error: unknown, delivery: Delivery): void {
    const { config, fd } = delivery;
    this.#context.report(error, this.#context.names[handlerOf(config)] ?? '', fd);
    if (kindOf(config) === Kind.RAW) delivery.teardown ??= 0;
  }
}
