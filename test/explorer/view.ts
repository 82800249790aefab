/** How checks see a state, and the port that acts on memory at once. */
import type { WaitResult } from '../../src/sync/port.ts';
import type { Point } from './history.ts';
import type { Memory } from './memory.ts';
import { type OperationKind, perform } from './operations.ts';
import { ThreadStatus, type View, type VirtualPort, type VirtualThread } from './program.ts';

/** Each operation takes effect at once: for the set-up, and for checks. Nobody can wake it, so it never sleeps. */
export class DirectPort implements VirtualPort {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  load(at: number): number {
    return this.#do('load', at, 0, 0);
  }

  peek(at: number): number {
    return this.#do('peek', at, 0, 0);
  }

  store(at: number, value: number): void {
    this.#do('store', at, value, 0);
  }

  poke(at: number, value: number): void {
    this.store(at, value);
  }

  compareExchange(at: number, expected: number, value: number): number {
    return this.#do('compareExchange', at, expected, value);
  }

  exchange(at: number, value: number): number {
    return this.#do('exchange', at, value, 0);
  }

  add(at: number, value: number): number {
    return this.#do('add', at, value, 0);
  }

  or(at: number, bits: number): number {
    return this.#do('or', at, bits, 0);
  }

  and(at: number, bits: number): number {
    return this.#do('and', at, bits, 0);
  }

  update(at: number, change: (word: number) => number): number {
    return this.#do('update', at, 0, 0, change);
  }

  wait(at: number, value: number, _timeoutMs: number): WaitResult {
    if (this.load(at) !== value) return 'not-equal';
    throw new Error(`a check would sleep on word ${at}`);
  }

  notify(_at: number, _count: number): number {
    return 0;
  }

  #do(kind: OperationKind, at: number, a: number, b: number, change?: (word: number) => number): number {
    return perform(this.#memory, { kind, at, cell: this.#memory.cellOf(at), a, b, change });
  }
}

export class StateView implements View {
  readonly #memory: Memory;
  readonly #threads: readonly VirtualThread[];
  readonly #points: readonly Point[];
  readonly #statuses: readonly ThreadStatus[];
  #port: VirtualPort | undefined;

  constructor(
    memory: Memory,
    threads: readonly VirtualThread[],
    points: readonly Point[],
    statuses: readonly ThreadStatus[],
  ) {
    this.#memory = memory;
    this.#threads = threads;
    this.#points = points;
    this.#statuses = statuses;
  }

  get port(): VirtualPort {
    this.#port ??= new DirectPort(this.#memory.copy());
    return this.#port;
  }

  word(at: number): number {
    return this.#memory.word(at);
  }

  log(thread: string): readonly number[] {
    return this.#points[this.#idOf(thread)]?.logs ?? [];
  }

  status(thread: string): ThreadStatus {
    return this.#statuses[this.#idOf(thread)] ?? ThreadStatus.DONE;
  }

  #idOf(name: string): number {
    const id = this.#threads.findIndex((thread) => thread.name === name);
    if (id === -1) throw new Error(`no thread is called ${name}`);
    return id;
  }
}
