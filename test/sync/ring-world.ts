/** Virtual threads that push and take at one ring, and the check that a plain queue would have answered the same. */
import { expect } from 'vitest';
import { Ring } from '../../src/sync/ring.ts';
import type { Port } from '../../src/sync/port.ts';
import { isExplained, type QueueOperation } from '../explorer/queue-history.ts';
import type { Body, Program, VirtualThread, View } from '../explorer/program.ts';

/** 'take', 'look' whether it is empty, or the hint to push. */
export type Work = number | 'take' | 'look';

export type RingLike = Pick<Ring, 'push' | 'take' | 'isEmpty' | 'initialize'>;

export type RingCase = {
  readonly capacity: number;
  /** Position at which the counters start. */
  readonly start: number;
  /** One list of work a thread. */
  readonly threads: readonly (readonly Work[])[];
  /** Hints in the ring at the beginning. */
  readonly filled?: readonly number[];
  readonly mortal?: boolean;
  readonly preemptions?: number;
  /**
   * Plain reads see old values. Then take() may answer that the ring is empty though it was so earlier only: nobody
   * goes to sleep on that answer, and isEmpty() is exact.
   */
  readonly weak?: boolean;
  readonly makeRing?: (port: Port, capacity: number) => RingLike;
};

const HEAD = 0;
const TAIL = 1;
const CELLS = 2;
/** Operations that have ended; kept by the test. */
const ENDED = 1000;
const nameOf = (at: number): string =>
  at === HEAD ? 'head' : at === TAIL ? 'tail' : at === ENDED ? 'ended' : `cell[${at - CELLS}]`;

export const realRing = (port: Port, capacity: number): RingLike =>
  new Ring(port, { head: HEAD, tail: TAIL, cells: CELLS, capacity });

export function ringProgram(ringCase: RingCase): Program {
  const { capacity, start, mortal = false, makeRing = realRing } = ringCase;
  const body =
    (work: readonly Work[]): Body =>
    (port, self) => {
      const ring = makeRing(port, capacity);
      for (const item of work) {
        self.log(port.load(ENDED));
        self.log(perform(ring, item));
        self.log(port.add(ENDED, 1));
      }
      return undefined;
    };
  const threads = ringCase.threads.map((work, i): VirtualThread => ({
    name: 'ABCD'.charAt(i),
    body: body(work),
    mortal,
  }));
  return {
    threads,
    ...(ringCase.preemptions === undefined ? {} : { preemptions: ringCase.preemptions }),
    vanishings: mortal ? 1 : 0,
    setup: (port) => {
      const ring = makeRing(port, capacity);
      ring.initialize(start);
      for (const hint of ringCase.filled ?? []) ring.push(hint);
    },
    silent: (at) => at === ENDED,
    ...(ringCase.weak === true ? { stale: (at) => at !== ENDED, chained: true } : {}),
    nameOf,
    end: (view) => checkEnd(view, ringCase, threads),
  };
}

function perform(ring: RingLike, item: Work): number {
  if (item === 'take') return ring.take();
  return (item === 'look' ? ring.isEmpty() : ring.push(item)) ? 1 : 0;
}

function checkEnd(view: View, ringCase: RingCase, threads: readonly VirtualThread[]): void {
  const { capacity, filled = [], makeRing = realRing } = ringCase;
  const ring = makeRing(view.port, capacity);
  const rest: number[] = [];
  for (let hint = ring.take(); hint !== 0; hint = ring.take()) rest.push(hint);

  const before = filled.map((hint, i): QueueOperation => {
    const at = i - filled.length;
    return { kind: 'push', hint, answer: 1, begin: at, end: at };
  });
  const seen = threads
    .flatMap((thread, i) =>
      operationsOf(ringCase.threads[i] ?? [], view.log(thread.name), view.status(thread.name) === 'vanished'),
    )
    .map((operation): QueueOperation => {
      const isOldNews = ringCase.weak === true && operation.kind === 'take' && operation.answer === 0;
      return isOldNews ? { ...operation, begin: -filled.length } : operation;
    });
  if (!isExplained([...before, ...seen], capacity, rest)) {
    const told = seen.map((o) => `${o.kind} ${o.hint}: ${o.answer ?? '?'}`).join(', ');
    expect.fail(`no queue answers so: ${told}; rest ${rest.join(' ')}`);
  }
  // Whatever happened, the ring is as good as new: it takes `capacity` hints and gives them back in order.
  const hints = Array.from({ length: capacity }, (_, i) => 500 + i);
  for (const hint of hints) expect(ring.push(hint)).toBe(true);
  expect(ring.push(499)).toBe(false);
  expect(hints.map(() => ring.take())).toEqual(hints);
  expect(ring.take()).toBe(0);
}

function operationsOf(work: readonly Work[], log: readonly number[], vanished: boolean): QueueOperation[] {
  const operations: QueueOperation[] = [];
  for (const [i, item] of work.entries()) {
    const [begin, answer, end] = log.slice(i * 3, i * 3 + 3);
    // A load of a silent word waits for the step behind it: without one the operation has not begun.
    if (begin === undefined) break;
    if (end === undefined && !vanished) throw new Error('an operation that has not ended');
    if (item === 'take') operations.push({ kind: 'take', hint: 0, answer, begin, end });
    else if (item === 'look') operations.push({ kind: 'isEmpty', hint: 0, answer, begin, end });
    else operations.push({ kind: 'push', hint: item, answer, begin, end });
  }
  return operations;
}
