/** The operations of a port as data, their effect on memory, and how a trace shows them. */
import type { WaitResult } from '../../src/sync/port.ts';
import type { Memory } from './memory.ts';

export type OperationKind =
  | 'load'
  | 'peek'
  | 'store'
  | 'compareExchange'
  | 'exchange'
  | 'add'
  | 'or'
  | 'and'
  | 'update'
  | 'wait'
  | 'notify';

export type Operation = {
  readonly kind: OperationKind;
  readonly at: number;
  readonly cell: number;
  /** The value; the expected value of a compareExchange; the count of a notify. */
  readonly a: number;
  /** The new value of a compareExchange, or the time of a wait. */
  readonly b: number;
  readonly change: ((word: number) => number) | undefined;
};

const WAIT_RESULTS: readonly WaitResult[] = ['ok', 'not-equal', 'timed-out'];
export const Waited = { OK: 0, NOT_EQUAL: 1, TIMED_OUT: 2 } as const;

export function waitResultOf(code: number): WaitResult {
  const result = WAIT_RESULTS[code];
  if (result === undefined) throw new Error(`no wait result ${code}`);
  return result;
}

/** Carries out anything but wait and notify, which are the search's. Returns what the port returns. */
export function perform(memory: Memory, operation: Operation): number {
  const { kind, cell, a, b } = operation;
  const old = memory.read(cell);
  switch (kind) {
    case 'load':
    case 'peek':
      return old;
    case 'store':
      memory.write(cell, a | 0);
      return 0;
    case 'compareExchange':
      if (old === (a | 0)) memory.write(cell, b | 0);
      return old;
    case 'exchange':
      memory.write(cell, a | 0);
      return old;
    case 'add':
      memory.write(cell, (old + a) | 0);
      return old;
    case 'or':
      memory.write(cell, old | a);
      return old;
    case 'and':
      memory.write(cell, old & a);
      return old;
    case 'update':
      memory.write(cell, (operation.change?.(old) ?? old) | 0);
      return old;
    case 'wait':
    case 'notify':
      throw new Error(`${kind} is carried out by the search`);
  }
}

/** One line of a trace. */
export function show(operation: Operation, result: number | undefined, name: string): string {
  const { kind, a, b } = operation;
  switch (kind) {
    case 'load':
    case 'peek':
      return `${kind} ${name} = ${result}`;
    case 'store':
      return `store ${name} := ${a}`;
    case 'compareExchange':
      return `cas ${name} ${a} => ${b}: ${result === (a | 0) ? 'done' : `no, is ${result}`}`;
    case 'exchange':
      return `exchange ${name} := ${a}, was ${result}`;
    case 'add':
    case 'or':
    case 'and':
      return `${kind} ${name} ${a}, was ${result}`;
    case 'update':
      return `update ${name}, was ${result}`;
    case 'wait':
      return `wait ${name} while ${a}${Number.isFinite(b) ? ` for ${b} ms` : ''}: ${
        result === undefined ? 'sleeps' : waitResultOf(result)
      }`;
    case 'notify':
      return `notify ${name}: woke ${result}`;
  }
}
