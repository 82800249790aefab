/**
 * A worker's presence in the pool: whether it may run handlers, whether it is the woken one that still looks for work, and
 * its two ways to rest, parked or waiting in the kernel. Every rest is announce, look again, rest; the resting itself is the
 * caller's. Each worker has one; the protocol's words are the dispatcher's.
 *
 *     runnable ──announcePark──▶ (look again) ──▶ rests ──endPark──▶ not runnable ──becomeRunnable──▶ runnable
 *        └───────announceWait──▶ (look again) ──▶ in epoll_wait ──endWait──────────────▲
 */
import { Config, Counter, WorkerWord, Word } from '../slots/layout.ts';
import { PoolPhase } from '../slots/memory.ts';
import type { ParkState } from '../sync/parking.ts';
import type { Dispatcher, DispatcherMemory } from './dispatcher.ts';

/** What a worker knows of its own presence. */
export type Standing = { readonly runnable: boolean; readonly searching: boolean };
const AT_REST: Standing = { runnable: false, searching: false };

export class Presence {
  readonly #worker: number;
  readonly #dispatcher: Dispatcher;
  readonly #memory: DispatcherMemory;
  readonly #calledAt: number;
  readonly #wakeAtHints: number;
  #runnable: boolean;
  #searching: boolean;

  /** `worker` counts from 0. A worker begins at rest; another beginning is for tests. */
  constructor(dispatcher: Dispatcher, worker: number, { runnable, searching }: Standing = AT_REST) {
    this.#runnable = runnable;
    this.#searching = searching;
    this.#worker = worker;
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#calledAt = this.#memory.layout.worker(worker) + WorkerWord.ATTENTION;
    this.#wakeAtHints = this.#memory.config(Config.WAKE_AT_HINTS);
  }

  get standing(): Standing {
    return { runnable: this.#runnable, searching: this.#searching };
  }

  /** Enters the runnable ones if the limit allows. True if the worker may take hints. */
  becomeRunnable(): boolean {
    if (this.#runnable) return true;
    this.#runnable = this.#dispatcher.runnable.enter(this.#worker, this.#dispatcher.concurrency);
    // After the bit is set: the monitor sleeps only if it sees no bit (D2).
    if (this.#runnable) this.#dispatcher.startMonitor();
    return this.#runnable;
  }

  leaveRunnable(): void {
    this.#dispatcher.runnable.leave(this.#worker);
    this.#runnable = false;
  }

  /** The search is over, with or without a find; the caller looks at the ring after this (D1). */
  stopSearching(): void {
    if (!this.#searching) return;
    this.#searching = false;
    this.#dispatcher.stopSearching();
  }

  /** A woken worker has taken a hint: the next one may be woken, if enough is left. */
  found(): void {
    if (!this.#searching) return;
    this.stopSearching();
    this.share();
  }

  /** The wake rule after pushes of this worker, put off while few hints wait (D3). */
  share(): void {
    const waiting = this.#memory.ring.length;
    this.#memory.countHighest(Counter.RING_HIGH_WATER, waiting);
    if (waiting > this.#wakeAtHints) this.#dispatcher.wakeForWork();
  }

  /** Announces a park. True if there is a reason not to rest after all; endPark() follows in any case. */
  announcePark(how: typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL): boolean {
    this.leaveRunnable();
    this.#dispatcher.lot.announce(this.#worker, how);
    this.stopSearching();
    return this.hasReason();
  }

  endPark(): void {
    if (!this.#dispatcher.lot.settle(this.#worker)) return;
    this.#searching = true;
    this.#memory.count(Counter.WAKES);
  }

  /** Announces a wait in the kernel, as holder of the poll hint. True if there is a reason not to wait. */
  announceWait(): boolean {
    this.leaveRunnable();
    this.#dispatcher.announceWait();
    return this.#dispatcher.hasWork() || this.isStopping || this.isCalled;
  }

  endWait(): void {
    this.#dispatcher.endWait();
  }

  /** Why a worker that has announced its park must not rest. */
  hasReason(): boolean {
    if (this.isStopping || this.isCalled) return true;
    return this.#dispatcher.hasWork() && this.#dispatcher.runnable.size < this.#dispatcher.concurrency;
  }

  get isStopping(): boolean {
    return this.#memory.port.load(Word.PHASE) === PoolPhase.CLOSED;
  }

  /** Whether somebody asks this worker to look at its pending handlers. */
  get isCalled(): boolean {
    return this.#memory.port.load(this.#calledAt) !== 0;
  }
}
