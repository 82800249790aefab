/** A handler that has returned a promise: its slot stays active here until the promise has settled, or its time is over. */
import type { WorkerContext } from './context.ts';
import type { Held } from './pending.ts';

export type Suspended = {
  readonly fd: number;
  /** It is the last handler of its slot: its grace time begins now. */
  readonly last: boolean;
  /** Tells the handler that the end was asked for. */
  abort(): void;
  /** It has thrown; `late` if that is after its time. */
  failed(error: unknown, late: boolean): void;
  /** It is done, whether it has failed or not. */
  settled(): void;
  /** Its time is over, and it is not done: its handle is to be revoked. The last that is called but for a late failure. */
  revoked(): void;
};

export function suspend(
  { pending, loop }: WorkerContext,
  result: PromiseLike<unknown>,
  suspended: Suspended,
): void {
  let over = false;
  const held: Held = {
    fd: suspended.fd,
    abort: () => suspended.abort(),
    revoke: () => {
      over = true;
      suspended.revoked();
    },
  };
  const settle = (): void => {
    if (over) return;
    over = true;
    pending.remove(held);
    loop.noteUserCode();
    suspended.settled();
  };
  // A thenable might settle at once, or throw: a promise of it does neither.
  Promise.resolve(result).then(settle, (error: unknown) => {
    suspended.failed(error, over);
    settle();
  });
  pending.add(held, suspended.last);
  // Most async handlers have nothing to wait for: let those settle before the next event.
  loop.runMicrotasks();
}
