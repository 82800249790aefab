/** Calling the handlers that are functions: those of bare descriptors, user events, posted items and timers. */
import { Counter } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { handlerOf, Kind, kindOf } from '../slots/record.ts';
import { isPromise, type WorkerContext } from './context.ts';
import { type Delivery, FdEvent } from './fd-event.ts';
import type { FdHandler } from './handlers.ts';
import { suspend } from './suspend.ts';

export class FdCalls {
  readonly #context: WorkerContext;
  readonly #memory: PoolMemory;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#memory = context.memory;
  }

  /** The handler of a delivery. */
  handlerOf({ config }: Delivery): FdHandler {
    return this.#context.handlers[handlerOf(config)] as FdHandler;
  }

  /** Calls the handler, and `then` when it is done, now or later. */
  call(event: FdEvent, delivery: Delivery, then: () => void): void {
    const promise = this.invoke(this.handlerOf(delivery), event, delivery);
    if (promise === undefined) then();
    else this.suspend(event, delivery, promise, then);
  }

  /** Calls the handler. What it returns if it is async; undefined if it is done. */
  invoke(handler: FdHandler, event: FdEvent, delivery: Delivery): PromiseLike<unknown> | undefined {
    this.#memory.count(Counter.HANDLED);
    try {
      const result: unknown = handler(event);
      return isPromise(result) ? result : undefined;
    } catch (error) {
      this.#failed(error, delivery);
      return undefined;
    }
  }

  /** Its handler is async: calls `then` when the promise has settled, or its time is over. */
  suspend(event: FdEvent, delivery: Delivery, result: PromiseLike<unknown>, then: () => void): void {
    suspend(this.#context, result, {
      fd: delivery.fd,
      last: delivery.reason !== undefined,
      abort: () => FdEvent.abort(event),
      failed: (error) => {
        if (!FdEvent.gaveUp(event, error)) this.#failed(error, delivery);
      },
      settled: then,
      revoked: () => {
        delivery.teardown ??= 0;
        then();
      },
    });
  }

  /** A descriptor whose handler failed is torn down, since nobody knows what was read; a user event goes on. */
  #failed(error: unknown, delivery: Delivery): void {
    const { config, fd } = delivery;
    this.#context.report(error, this.#context.names[handlerOf(config)] ?? '', fd);
    if (kindOf(config) === Kind.RAW) delivery.teardown ??= 0;
  }
}
