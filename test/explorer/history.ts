/**
 * The histories of virtual threads, as trees: a point is a sequence of port results, and knows the operation that the
 * thread asks for next. The real code runs once for each point, from the start of its round, with the results
 * replayed; all later visits read the answer here. So an exploration costs what a model checker's does, on real code.
 */
import type { Memory } from './memory.ts';
import type { Operation } from './operations.ts';
import type { VirtualThread } from './program.ts';
import { follow } from './replay.ts';

export type Point = {
  readonly id: number;
  /** Where the round began; undefined at the root itself. */
  readonly parent: Point | undefined;
  /** What the parent's operation returned. */
  readonly result: number;
  readonly round: number;
  /** The log when the round began, and now. */
  readonly logsBefore: readonly number[];
  readonly logs: readonly number[];
  /** Undefined: the body has returned, or failed. */
  readonly next: Operation | undefined;
  readonly failure: string | undefined;
  readonly later: Map<number, Point>;
};

type Origin = Pick<Point, 'parent' | 'result' | 'round' | 'logsBefore'>;

export class Histories {
  readonly #memory: Memory;
  readonly #roots = new Map<string, Point>();
  readonly #ends = new Map<string, Point>();
  #points = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** The point at which `thread` begins a round. */
  begin(thread: VirtualThread, round: number, logs: readonly number[]): Point {
    const key = `${thread.name} ${round} ${logs.join(' ')}`;
    let point = this.#roots.get(key);
    if (point === undefined) {
      point = this.#explore(thread, { parent: undefined, result: 0, round, logsBefore: logs });
      this.#roots.set(key, point);
    }
    return point;
  }

  /** The point after `result` came back. */
  advance(thread: VirtualThread, point: Point, result: number): Point {
    let later = point.later.get(result);
    if (later === undefined) {
      later = this.#explore(thread, {
        parent: point,
        result,
        round: point.round,
        logsBefore: point.logsBefore,
      });
      point.later.set(result, later);
    }
    return later;
  }

  /** The point of a thread that will never run again: all that is left of it is its log. */
  end(thread: VirtualThread, logs: readonly number[], failure?: string): Point {
    const key = `${thread.name} ${logs.join(' ')} ${failure ?? ''}`;
    let point = this.#ends.get(key);
    if (point === undefined) {
      const origin = { parent: undefined, result: 0, round: 0, logsBefore: logs };
      point = this.#add(origin, logs, undefined, failure);
      this.#ends.set(key, point);
    }
    return point;
  }

  /** Runs the real code up to the first operation without a result. */
  #explore(thread: VirtualThread, origin: Origin): Point {
    const results = resultsOf(origin);
    const outcome = follow(thread, this.#memory, origin.round, results, origin.logsBefore);
    switch (outcome.kind) {
      case 'asks':
        return this.#add(origin, outcome.logs, outcome.operation, undefined);
      case 'returned':
        return this.end(thread, outcome.logs);
      case 'failed':
        return this.end(thread, outcome.logs, outcome.message);
      case 'again':
        if (results.length === 0) return this.end(thread, outcome.logs, 'a round without a port call');
        return this.begin(thread, outcome.round, outcome.logs);
    }
  }

  #add(
    origin: Origin,
    logs: readonly number[],
    next: Operation | undefined,
    failure: string | undefined,
  ): Point {
    this.#points++;
    return { id: this.#points, ...origin, logs, next, failure, later: new Map() };
  }
}

function resultsOf(origin: Origin): number[] {
  const results: number[] = [];
  let at: Pick<Point, 'parent' | 'result'> = origin;
  while (at.parent !== undefined) {
    results.push(at.result);
    at = at.parent;
  }
  return results.toReversed();
}
