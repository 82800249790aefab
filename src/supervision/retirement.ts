/**
 * Spare threads that are not needed any more: those above `minThreads` that have slept for `idleTimeoutMs` retire, the one
 * that has slept longest first. The app's thread looks for them, by a timer that runs only while there are such threads, so
 * that the pool's own threads go on to sleep.
 *
 *     this thread:  store ASKED;  wake the worker             (or take ASKED back, if it was not parked)
 *     worker:       leave all sets;  look for work            (then agree by a CAS, or go on)
 *
 * R1  A worker that agrees is in no set and not the one that searches, and has looked for work after that: whoever pushes
 *     later finds somebody else to wake (D1), whoever pushed before is seen.
 * R2  A wake-up that another thread had given it is passed on by the same look: it takes the work itself, and stays.
 * R3  ASKED becomes AGREED or NONE by a CAS, so both sides know the same: a worker is either counted on or not.
 */
import type { PoolDispatcher } from '../reactor/dispatcher.ts';
import { RetireState, WorkerPhase, WorkerWord } from '../slots/layout.ts';
import { ParkState } from '../sync/parking.ts';
import { askToRetire } from '../reactor/retire.ts';

/** How often it looks in each idle time. */
const LOOKS = 4;

export type RetirementOptions = { readonly minThreads: number; readonly idleTimeoutMs: number };

type Sleep = { readonly stamp: number; readonly since: number };

export class Retirement {
  readonly #dispatcher: PoolDispatcher;
  readonly #options: RetirementOptions;
  readonly #alive: ReadonlySet<number>;
  /** Since when each parked worker has been seen in the same stay. */
  readonly #sleeps = new Map<number, Sleep>();
  #timer: NodeJS.Timeout | undefined;

  /** `alive` are the workers whose threads have been started and not ended. */
  constructor(dispatcher: PoolDispatcher, options: RetirementOptions, alive: ReadonlySet<number>) {
    this.#dispatcher = dispatcher;
    this.#options = options;
    this.#alive = alive;
  }

  /** Looks from now on, as long as there are more threads than there must be. */
  begin(): void {
    if (this.#timer !== undefined || this.#alive.size <= this.#options.minThreads) return;
    const period = Math.max(1, Math.ceil(this.#options.idleTimeoutMs / LOOKS));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.look(performance.now());
      this.begin();
    }, period).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Whether a worker has left for good, in order: its thread ends or has ended, and nothing of it is to be put right. */
  hasLeft(worker: number): boolean {
    return this.#stateOf(worker) === RetireState.LEFT;
  }

  /** Asks those that have slept long enough, but leaves as many as there must be. */
  look(now: number): void {
    const { lot } = this.#dispatcher;
    const parked = lot.parkedBits;
    const idle: { readonly worker: number; readonly since: number }[] = [];
    let staying = 0;
    for (const worker of this.#alive) {
      if (this.#isLeaving(worker)) continue;
      staying += Number(this.#isUp(worker));
      // With something of the event loop open it sleeps in the kernel, and is needed for that.
      if ((parked & (1 << worker)) === 0 || lot.stateOf(worker) !== ParkState.SLEEPS_FUTEX) {
        this.#sleeps.delete(worker);
        continue;
      }
      const stamp = lot.stampOf(worker);
      const sleep = this.#sleeps.get(worker);
      if (sleep?.stamp !== stamp) this.#sleeps.set(worker, { stamp, since: now });
      else if (now - sleep.since >= this.#options.idleTimeoutMs) idle.push({ worker, since: sleep.since });
    }
    const surplus = Math.max(0, staying - this.#options.minThreads);
    for (const { worker } of idle.toSorted((a, b) => a.since - b.since).slice(0, surplus)) {
      this.#sleeps.delete(worker);
      askToRetire(this.#dispatcher, worker);
    }
  }

  /** It has agreed. One that was asked and has not answered since the last look is not asked any more. */
  #isLeaving(worker: number): boolean {
    const { port } = this.#dispatcher.memory;
    const was = port.compareExchange(this.#at(worker), RetireState.ASKED, RetireState.NONE);
    return was !== RetireState.ASKED && was !== RetireState.NONE;
  }

  #isUp(worker: number): boolean {
    const { words, layout } = this.#dispatcher.memory;
    return words[layout.worker(worker) + WorkerWord.PHASE] !== WorkerPhase.STARTING;
  }

  #stateOf(worker: number): RetireState {
    return this.#dispatcher.memory.port.load(this.#at(worker)) as RetireState;
  }

  #at(worker: number): number {
    return this.#dispatcher.memory.layout.worker(worker) + WorkerWord.RETIRE;
  }
}
