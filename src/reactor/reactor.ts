/**
 * The loop of a worker: take a hint, run its turn or ask the kernel, sleep when there is nothing.
 *
 *        ┌──────────────────────────── take a hint ◀──────────────────────────────┐
 *        │ none                          │ slot                     │ poll hint     │
 *        ▼                               ▼                          ▼               │
 *   announce, look again,           claim, run the turn      ask the kernel: at once if hints wait, else announce,
 *   sleep (futex, or with libuv)    (finish re-arms)         look again, wait; deliver, put the hint back
 *
 * The whole loop is one macrotask; it returns to the event loop only when loop-turns.ts says so. A worker is
 * *runnable* while its bit in RUNNABLE is set: from before it takes hints until it parks or waits in the kernel.
 */
import { Config, Counter, WorkerPhase, WorkerWord, Word } from '../slots/layout.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { type PoolMemory, PoolPhase } from '../slots/memory.ts';
import { HOME_SHIFT, homeOf, isWorker, kindOf } from '../slots/record.ts';
import { ParkState } from '../sync/parking.ts';
import type { PoolDispatcher } from './dispatcher.ts';
import { Linger } from './linger.ts';
import type { LoopTurns } from './loop-turns.ts';
import { Poller } from './poller.ts';
import { Presence } from './presence.ts';
import type { Source } from './source.ts';
import type { Strands } from './strands.ts';

/** How often, in handlers, a busy worker asks whether its event loop is due. */
const PACE = 32;

/** Safety timeouts only: how long work that nobody attends to must wait to count as forgotten. */
const LOST_MS = 100;

const Wait = {
  /** Go on with the loop. */
  LOOK: 0,
  /** Give the event loop its turn. */
  YIELD: 1,
  /** Leave the pool. */
  RETIRE: 2,
} as const;
type Wait = (typeof Wait)[keyof typeof Wait];

/** Why a worker's loop has ended. */
export const End = { POOL_STOPPED: 0, RETIRED: 1 } as const;
export type End = (typeof End)[keyof typeof End];

export type ReactorHooks = {
  /** Somebody asks this worker to look at its pending handlers. */
  readonly onAttention: () => void;
  /** A registration that has ended goes on reporting events. */
  readonly onLeftover: () => void;
  /** The loop has ended. */
  readonly onEnd: (end: End) => void;
};

export class Reactor {
  readonly loop: LoopTurns;
  readonly presence: Presence;
  readonly #worker: number;
  readonly #dispatcher: PoolDispatcher;
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  readonly #poller: Poller;
  readonly #linger: Linger;
  readonly #sources: readonly Source[];
  readonly #hooks: ReactorHooks;
  readonly #line: number;
  readonly #turn = (): void => {
    this.#run();
  };
  #paced = 0;
  readonly #pollSet: number;
  readonly #parkSet: number;
  /** The thread that made the pool may be terminated, and waits for this one then: it is told by its event loop only. */
  readonly #nested: boolean;

  /** `worker` counts from 0; `sources` are indexed by Kind. */
  constructor(
    worker: number,
    dispatcher: PoolDispatcher,
    strands: Strands,
    loop: LoopTurns,
    sources: readonly Source[],
    hooks: ReactorHooks,
  ) {
    this.loop = loop;
    this.#worker = worker;
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#strands = strands;
    this.#poller = new Poller(dispatcher, hooks.onLeftover);
    this.#sources = sources;
    this.#hooks = hooks;
    this.#line = this.#memory.layout.worker(worker);
    this.#pollSet = this.#memory.words[this.#line + WorkerWord.POLL_SET] ?? 0;
    this.#parkSet = this.#memory.words[this.#line + WorkerWord.PARK_SET] ?? 0;
    this.#nested = this.#memory.words[Word.NESTED] !== 0;
    this.presence = new Presence(dispatcher, worker);
    this.#linger = new Linger(this.presence, () => dispatcher.native.yieldThread());
  }

  /** Starts the loop; it runs until the pool is stopped. */
  start(): void {
    this.loop.join(this.#pollSet);
    this.loop.join(this.#parkSet);
    setImmediate(this.#turn);
  }

  #run(): void {
    const { words } = this.#memory;
    const calledAt = this.#line + WorkerWord.ATTENTION;
    this.loop.noteTurn();
    for (;;) {
      // Plain looks (2 ns against 9): who sets these words wakes the sleepers too, and those look through the port.
      if (this.#poller.stopped || words[Word.PHASE] === PoolPhase.CLOSED) {
        this.#stop();
        return;
      }
      if (words[calledAt] !== 0 && this.presence.heed()) {
        this.#hooks.onAttention();
        // What listens to an abort signal is user code (L1).
        this.loop.noteUserCode();
      }
      const hint = this.presence.becomeRunnable() ? this.presence.take() : 0;
      if (hint === 0) {
        const wait = this.#park();
        if (wait === Wait.LOOK) continue;
        if (wait === Wait.YIELD) break;
        this.#end(End.RETIRED);
        return;
      }
      this.presence.found();
      if (this.#dispatcher.isPollHint(hint)) {
        if (this.#poll(hint) === Wait.YIELD) break;
      } else {
        this.#runTurn(hint - 1);
        if (++this.#paced >= PACE) {
          this.#paced = 0;
          if (this.loop.owesTurnWhileBusy()) break;
        }
      }
    }
    setImmediate(this.#turn);
  }

  #runTurn(index: number): void {
    const memory = this.#memory;
    memory.count(Counter.TAKEN);
    const claimed = this.#isStray(index) ? 0 : memory.slots.claim(index, memory.me);
    if (claimed === 0) {
      memory.count(Counter.DROPPED);
      return;
    }
    // It may have joined a group since.
    if (this.#isStray(index)) {
      this.#strands.restore(index, claimed);
      return;
    }
    const config = memory.records.config(index);
    // A hint of before, pushed a second time: the slot lives in another worker by now (B3).
    if (config >>> HOME_SHIFT !== 0 && !this.#isHome(homeOf(config))) {
      this.#strands.restore(index, claimed);
      return;
    }
    if (!this.#strands.follow(index, claimed)) return;
    const kind = kindOf(config);
    const source = this.#sources[kind];
    this.#linger.noteTurn(kind);
    if (this.presence.timesTurn(this.#paced)) {
      const began = performance.now();
      source?.turn(index, claimed);
      this.presence.noteTurn(began);
    } else {
      source?.turn(index, claimed);
    }
    this.loop.noteUserCode();
  }

  #isHome(home: number): boolean {
    return home === this.#worker || !isWorker(home);
  }

  /** A member of a group has its turns in those of the group: a hint of its own is one of before it joined. */
  #isStray(index: number): boolean {
    const { groups } = this.#memory;
    const ref = groups.refOf(index);
    return ref !== NO_GROUP && groups.generationOf(ref) !== undefined;
  }

  #poll(hint: number): Wait {
    const dispatcher = this.#dispatcher;
    if (!dispatcher.claimPoll(hint)) return Wait.LOOK;
    if (this.presence.hasWork()) {
      this.#delivered(this.#poller.poll(0));
      return Wait.LOOK;
    }
    if (this.loop.owesTurnBeforeWait()) {
      // Whatever user code has open runs first; meanwhile the kernel may be asked by somebody else.
      dispatcher.releasePoll();
      return Wait.YIELD;
    }
    const open = this.loop.open;
    if (!open && this.#linger.linger(dispatcher.alone)) {
      this.#delivered(this.#poller.poll(0));
      return Wait.LOOK;
    }
    const withLoop = open || this.#nested;
    let result: Wait = Wait.LOOK;
    let timeoutMs = withLoop ? 0 : -1;
    if (this.presence.announceWait()) {
      timeoutMs = 0;
    } else {
      this.#setPhase(WorkerPhase.POLLING);
      if (withLoop && this.loop.wait(this.#pollSet)) result = Wait.YIELD;
    }
    const count = this.#poller.wait(timeoutMs);
    // Before the first push: hints that wait while the poller still seems to sleep would look like a lost wake-up.
    this.#linger.noteRest(this.presence.endWait());
    this.#setPhase(WorkerPhase.RUNNING);
    this.presence.becomeRunnable();
    this.#delivered(this.#poller.deliverBatch(count));
    this.presence.noteDelivery();
    return result;
  }

  /** Puts the poll hint back behind the hints of the batch, and shares the work if there is enough of it. */
  #delivered(pushed: number): void {
    this.#dispatcher.releasePoll();
    // It takes the first itself, and the poll hint is behind them.
    if (pushed > 0) this.presence.share(2);
  }

  #park(): Wait {
    this.presence.stopSearching();
    if (this.loop.owesTurnBeforeWait()) return Wait.YIELD;
    const open = this.loop.open;
    if (!open && this.#linger.linger(true)) return Wait.LOOK;
    let result: Wait = Wait.LOOK;
    if (!this.presence.announcePark(open ? ParkState.SLEEPS_KERNEL : ParkState.SLEEPS_FUTEX)) {
      this.#memory.count(Counter.PARKS);
      this.#setPhase(WorkerPhase.PARKED);
      if (open) {
        if (this.loop.wait(this.#parkSet)) result = Wait.YIELD;
      } else {
        this.#sleep();
      }
      this.#setPhase(WorkerPhase.RUNNING);
    }
    this.#linger.noteRest(this.presence.endPark());
    return !open && this.presence.retires() ? Wait.RETIRE : result;
  }

  #sleep(): void {
    const safetyMs = this.#memory.config(Config.SAFETY_TIMEOUT_MS);
    const { lot } = this.#dispatcher;
    if (safetyMs === 0) {
      lot.sleep(this.#worker);
      return;
    }
    lot.sleep(this.#worker, safetyMs);
    if (!this.#isForgotten()) return;
    // Somebody may be on the way, preempted between his push and the wake-up. If it lasts, a wake-up was lost.
    const head = this.#memory.ring.headPosition;
    lot.sleep(this.#worker, LOST_MS);
    if (this.#isForgotten() && this.#memory.ring.headPosition === head) this.#memory.count(Counter.RESCUED);
  }

  /** Whether this worker sleeps over work that nobody attends to. Several loads: true together only if no hint was taken meanwhile. */
  #isForgotten(): boolean {
    const { lot, runnable } = this.#dispatcher;
    const head = this.#memory.ring.headPosition;
    const unnoticed = lot.stateOf(this.#worker) === ParkState.SLEEPS_FUTEX && this.presence.hasReason();
    if (!unnoticed || runnable.bits !== 0 || this.#memory.port.load(Word.SEARCHER) !== 0) return false;
    return (
      this.#dispatcher.pollerWaits && this.presence.hasReason() && this.#memory.ring.headPosition === head
    );
  }

  #setPhase(phase: WorkerPhase): void {
    this.#memory.words[this.#line + WorkerWord.PHASE] = phase;
  }

  #stop(): void {
    this.presence.leaveRunnable();
    this.presence.stopSearching();
    if (this.#dispatcher.pollHolder === this.#memory.me) this.#dispatcher.releasePoll();
    this.#end(End.POOL_STOPPED);
  }

  #end(end: End): void {
    this.#setPhase(WorkerPhase.STOPPED);
    this.#hooks.onEnd(end);
  }
}
