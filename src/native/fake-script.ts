/** What a test tells the fake kernel to do: which calls fail or come short, and who watches. */
import type { Native } from './contract.ts';

/** Calls that can be made to fail. */
export type FakeCall = Exclude<
  keyof Native,
  'events' | 'memory' | 'adopt' | 'threadId' | 'yieldThread' | 'openFilesLimit' | 'setNonBlocking'
>;

export type FakeTransfer = 'read' | 'write' | 'receive' | 'send';

export abstract class FakeScript {
  /** Called before each call that can be made to fail, with its arguments. */
  onCall: ((call: FakeCall, ...values: readonly unknown[]) => void) | undefined;
  /** Called when a wait finds nothing and would block. */
  onWait: ((timeoutMs: number) => void) | undefined;
  readonly #failures = new Map<FakeCall, number[]>();
  readonly #limits = new Map<FakeTransfer, number[]>();

  /** Lets the next calls of `call` fail, one per errno, and do nothing else. */
  failNext(call: FakeCall, ...errnos: number[]): void {
    this.#failures.set(call, [...(this.#failures.get(call) ?? []), ...errnos]);
  }

  /** Lets the next transfers move at most so many bytes, one limit per call. */
  limitNext(call: FakeTransfer, ...bytes: number[]): void {
    this.#limits.set(call, [...(this.#limits.get(call) ?? []), ...bytes]);
  }

  /** A call begins: the errno that it is to fail with, 0 for none. */
  protected enter(call: FakeCall, ...values: readonly unknown[]): number {
    this.onCall?.(call, ...values);
    return this.#failures.get(call)?.shift() ?? 0;
  }

  /** How many bytes a transfer of `length` may move. */
  protected limit(call: FakeTransfer, length: number): number {
    return this.#limits.get(call)?.shift() ?? length;
  }
}
