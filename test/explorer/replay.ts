/** Runs a body against a list of results, until it asks for one that is not there yet. */
import type { WaitResult } from '../../src/sync/port.ts';
import type { Memory } from './memory.ts';
import { type Operation, type OperationKind, waitResultOf } from './operations.ts';
import type { Again, Self, VirtualPort, VirtualThread } from './program.ts';

export type Outcome =
  | { readonly kind: 'asks'; readonly operation: Operation; readonly logs: readonly number[] }
  | { readonly kind: 'returned'; readonly logs: readonly number[] }
  | { readonly kind: 'again'; readonly round: number; readonly logs: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string; readonly logs: readonly number[] };

/** Thrown out of a body at the first port call without a result. One object for all: nobody needs a stack. */
class Abandoned extends Error {
  operation: Operation | undefined;
}
const ABANDONED = new Abandoned('abandoned');

/** Copies the log only if the body adds to it. */
class Log {
  entries: readonly number[];

  constructor(entries: readonly number[]) {
    this.entries = entries;
  }

  add(value: number): void {
    this.entries = [...this.entries, value];
  }
}

export function follow(
  thread: VirtualThread,
  memory: Memory,
  round: number,
  results: readonly number[],
  logsBefore: readonly number[],
): Outcome {
  const log = new Log(logsBefore);
  const self: Self = {
    name: thread.name,
    round,
    log: (value) => log.add(value),
    check: (condition, message) => {
      if (!condition) throw new Error(message);
    },
  };
  let outcome: Again | undefined;
  try {
    outcome = thread.body(new ReplayPort(memory, results), self);
  } catch (thrown) {
    if (thrown === ABANDONED && ABANDONED.operation !== undefined) {
      return { kind: 'asks', operation: ABANDONED.operation, logs: log.entries };
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return { kind: 'failed', message: `${thread.name}: ${message}`, logs: log.entries };
  }
  if (outcome === undefined) return { kind: 'returned', logs: log.entries };
  return { kind: 'again', round: outcome.again, logs: log.entries };
}

class ReplayPort implements VirtualPort {
  readonly #memory: Memory;
  readonly #results: readonly number[];
  #used = 0;

  constructor(memory: Memory, results: readonly number[]) {
    this.#memory = memory;
    this.#results = results;
  }

  load(at: number): number {
    return this.#ask('load', at, 0, 0);
  }

  peek(at: number): number {
    return this.#ask('peek', at, 0, 0);
  }

  store(at: number, value: number): void {
    this.#ask('store', at, value, 0);
  }

  poke(at: number, value: number): void {
    this.store(at, value);
  }

  compareExchange(at: number, expected: number, value: number): number {
    return this.#ask('compareExchange', at, expected, value);
  }

  exchange(at: number, value: number): number {
    return this.#ask('exchange', at, value, 0);
  }

  add(at: number, value: number): number {
    return this.#ask('add', at, value, 0);
  }

  or(at: number, bits: number): number {
    return this.#ask('or', at, bits, 0);
  }

  and(at: number, bits: number): number {
    return this.#ask('and', at, bits, 0);
  }

  update(at: number, change: (word: number) => number): number {
    return this.#ask('update', at, 0, 0, change);
  }

  wait(at: number, value: number, timeoutMs: number): WaitResult {
    return waitResultOf(this.#ask('wait', at, value, timeoutMs));
  }

  notify(at: number, count: number): number {
    return this.#ask('notify', at, count, 0);
  }

  #ask(kind: OperationKind, at: number, a: number, b: number, change?: (word: number) => number): number {
    if (!Number.isInteger(at) || at < 0) throw new Error(`${kind}: no word has the index ${at}`);
    const result = this.#results[this.#used];
    if (result === undefined) {
      ABANDONED.operation = { kind, at, cell: this.#memory.cellOf(at), a, b, change };
      throw ABANDONED;
    }
    this.#used++;
    return result;
  }
}
