/** Turns of bare descriptors: one handler call a delivery, and one more for the last. */
import type { Source } from '../reactor/source.ts';
import { Counter } from '../slots/layout.ts';
import { Cause, eventsOf, handlerOf, isDisabled, Trait } from '../slots/record.ts';
import { Flag, flagsOf, READY_NONE, Ready, readyOf } from '../slots/word.ts';
import { enterTurn, isPromise, leaveTurn, type WorkerContext } from './context.ts';
import { type Delivery, FdEvent } from './fd-event.ts';
import type { FdHandler } from './handlers.ts';
import type { Held } from './pending.ts';
import { type CloseReason, reasonFrom } from './reason.ts';

/** Delivered once for each edge, never repeated for being still true. */
const CONDITIONS = Ready.ERR | Ready.HUP | Ready.RDHUP;

export class FdSource implements Source {
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  turn(index: number, claimed: number): void {
    const { memory } = this.#context;
    enterTurn(this.#context, index);
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
    if (isDisabled(mailbox) || asked === 0) {
      this.#finish(index, edge ? bits : READY_NONE, events, isDisabled(mailbox));
      return;
    }
    const delivery = this.#deliveryOf(index, asked, events, undefined);
    delivery.left = bits & ~CONDITIONS;
    // Silent until somebody re-arms: the handler, or another thread meanwhile.
    if ((config & Trait.MANUAL) !== 0) memory.records.askDisabled(index, delivery.generation, true);
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => this.#after(event, delivery));
  }

  #after(event: FdEvent, delivery: Delivery): void {
    FdEvent.revoke(event);
    const { fd } = delivery;
    if (delivery.teardown !== undefined) {
      const { records } = this.#context.memory;
      records.giveReason(fd, delivery.generation, Cause.TEARDOWN, delivery.teardown);
      this.#last(fd, reasonFrom(records.reason(fd)));
      return;
    }
    const mailbox = this.#context.memory.records.mailbox(fd);
    this.#finish(fd, delivery.left, eventsOf(mailbox), isDisabled(mailbox));
  }

  #last(index: number, reason: CloseReason): void {
    if (!this.#context.strands.beginEnd(index)) return;
    const delivery = this.#deliveryOf(index, READY_NONE, READY_NONE, reason);
    const event = new FdEvent(delivery);
    this.#call(event, delivery, () => {
      FdEvent.revoke(event);
      leaveTurn(this.#context, index);
      this.#context.strands.end(index, false);
    });
  }

  #deliveryOf(fd: number, bits: number, events: number, reason: CloseReason | undefined): Delivery {
    const generation = this.#context.memory.slots.generation(fd);
    const context = this.#context;
    return { context, fd, generation, bits, events, reason, left: 0, teardown: undefined };
  }

  #finish(index: number, leftover: number, events: number, silent: boolean): void {
    leaveTurn(this.#context, index);
    this.#context.strands.finish(index, leftover, events | CONDITIONS, silent);
  }

  /** Calls the handler, and `then` when it is done, now or later. */
  #call(event: FdEvent, delivery: Delivery, then: () => void): void {
    const { handlers, memory } = this.#context;
    const handler = handlers[this.#handlerOf(delivery)] as FdHandler;
    memory.count(Counter.HANDLED);
    try {
      const result: unknown = handler(event);
      if (isPromise(result)) {
        this.#suspend(event, delivery, result, then);
        return;
      }
    } catch (error) {
      this.#context.report(error, this.#nameOf(delivery), delivery.fd);
      delivery.teardown ??= 0;
    }
    then();
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
    // By the time it settles the number may be another registration's.
    const name = this.#nameOf(delivery);
    // A thenable might settle at once, or throw: a promise of it does neither.
    Promise.resolve(result).then(settle, (error: unknown) => {
      this.#context.report(error, name, delivery.fd);
      delivery.teardown ??= 0;
      settle();
    });
    pending.add(held, delivery.reason !== undefined);
    loop.runMicrotasks();
  }

  #handlerOf(delivery: Delivery): number {
    return handlerOf(this.#context.memory.records.config(delivery.fd));
  }

  #nameOf(delivery: Delivery): string {
    return this.#context.names[this.#handlerOf(delivery)] ?? '';
  }
}
