/**
 * A worker's presence in the pool: whether it may run handlers, whether it is the woken one that still looks for work, and
 * its two ways to rest, parked or waiting in the kernel. Every rest is announce, look again, rest; the resting itself is the
 * caller's. Each worker has one; the protocol's words are the dispatcher's.
 *
 *     runnable ──announcePark──▶ (look again) ──▶ rests ──endPark──▶ not runnable ──becomeRunnable──▶ runnable
 *      │ │ └───announceWait──▶ (look again) ──▶ in epoll_wait ──endWait──────────────────▲
 *      │ └─over the limit, or its bit was taken while it slept: becomeRunnable says no───▲
 *      └──goAway──▶ (look for those who wait for a place) ──▶ blocks in a handler ──comeBack──▶ runnable, perhaps over the limit
 */
import { Call, Config, Counter, RetireState, WorkerWord, Word } from '../slots/layout.ts';
import { PoolPhase } from '../slots/memory.ts';
import type { ParkState } from '../sync/parking.ts';
import type { Dispatcher, DispatcherMemory } from './dispatcher.ts';
import type { Limit } from './limit.ts';
import { Lookout } from './lookout.ts';
import { hasRule, WakePolicy } from './wake-policy.ts';

/** What a worker knows of its own presence. */
export type Standing = {
  readonly runnable: boolean;
  readonly searching: boolean;
  /** What REVIEWS was before the last look at the limit. */
  readonly reviewed: number;
  /** There was mail at its last look, and there may be more. */
  readonly reading?: boolean;
};
const AT_REST: Standing = { runnable: false, searching: false, reviewed: 0 };

export class Presence {
  readonly #worker: number;
  readonly #dispatcher: Dispatcher;
  readonly #limit: Limit;
  readonly #memory: DispatcherMemory;
  readonly #calledAt: number;
  readonly #retireAt: number;
  readonly #strandsAt: number;
  readonly #policy: WakePolicy;
  readonly #lookout: Lookout;
  readonly #chains: boolean;
  #runnable: boolean;
  #searching: boolean;
  #reviewed: number;
  #away = false;
  #wasRunnable = false;
  #reading: boolean;
  #ownFirst = false;

  /** `worker` counts from 0. A worker begins at rest; another beginning is for tests. */
  constructor(dispatcher: Dispatcher, worker: number, standing: Standing = AT_REST) {
    const { runnable, searching, reviewed, reading = false } = standing;
    this.#reading = reading;
    this.#reviewed = reviewed;
    this.#runnable = runnable;
    this.#searching = searching;
    this.#worker = worker;
    this.#dispatcher = dispatcher;
    this.#limit = dispatcher.limit;
    this.#memory = dispatcher.memory;
    this.#calledAt = this.#memory.layout.worker(worker) + WorkerWord.ATTENTION;
    this.#retireAt = this.#memory.layout.worker(worker) + WorkerWord.RETIRE;
    this.#strandsAt = this.#memory.layout.worker(worker) + WorkerWord.STRANDS;
    this.#policy = new WakePolicy(this.#memory);
    this.#lookout = new Lookout(dispatcher);
    this.#chains = hasRule(this.#memory.config(Config.WAKE_POLICY), 'chain');
  }

  get standing(): Standing {
    return {
      runnable: this.#runnable,
      searching: this.#searching,
      reviewed: this.#reviewed,
      reading: this.#reading,
    };
  }

  /** Enters the runnable ones if the limit allows, or stays if it still does. True if the worker may take hints. */
  becomeRunnable(): boolean {
    // A plain read (L1): this is asked before every hint.
    return this.#runnable && this.#limit.reviews === this.#reviewed ? true : this.#review();
  }

  #review(): boolean {
    const limit = this.#limit;
    // Before the look: a change that comes during it is seen at the next hint.
    this.#reviewed = limit.beginReview();
    if (this.#runnable && limit.yieldPlace(this.#worker)) {
      this.#runnable = false;
      return false;
    }
    if (this.#runnable && this.#dispatcher.mail.handOver(this.#worker)) {
      this.#runnable = false;
      return false;
    }
    // Also for one that seems to be in: the monitor may have taken its bit while its thread slept.
    this.#runnable = limit.enter(this.#worker);
    if (!this.#runnable) return false;
    // On its way in it may have gone by a limit of before.
    if (limit.beginReview() !== this.#reviewed) return this.#review();
    this.#dispatcher.mail.stopWaiting(this.#worker);
    // After the bit is set: the monitor sleeps only if it sees no bit (D2).
    this.#dispatcher.startMonitor();
    return true;
  }

  /** It was called: notes what it should look at. True if its pending handlers are among that. */
  heed(): boolean {
    const { port } = this.#memory;
    const call = port.load(this.#calledAt);
    if ((call & Call.MAIL) !== 0) {
      // Before it looks (B1).
      port.and(this.#calledAt, ~Call.MAIL);
      this.#reading = true;
    }
    return (call & Call.PENDING) !== 0;
  }

  /** The next hint, of its own mailbox and of the queue of all in turn; 0 for none. */
  take(): number {
    return this.#reading ? this.#takeInTurn() : this.#dispatcher.take();
  }

  #takeInTurn(): number {
    this.#ownFirst = !this.#ownFirst;
    const first = this.#ownFirst ? this.#takeMail() : this.#dispatcher.take();
    if (first !== 0) return first;
    return this.#ownFirst ? this.#dispatcher.take() : this.#takeMail();
  }

  #takeMail(): number {
    const hint = this.#dispatcher.mail.boxes.take(this.#worker);
    this.#reading = hint !== 0;
    return hint;
  }

  /** Whether work waits that it may take, of whatever kind; of mail it may not know yet. */
  hasWork(): boolean {
    return this.#reading || this.#dispatcher.hasWork();
  }

  /** The second look into its mailbox: what is there it reads, though its sender may not have said so yet. */
  #findsMail(): boolean {
    if (!this.#dispatcher.mail.boxes.isEmpty(this.#worker)) this.#reading = true;
    return this.#reading;
  }

  /**
   * Leaves the runnable ones in the middle of a handler, which is about to block; who waits for a place is let in. False if
   * it is away already; else comeBack() follows.
   */
  goAway(): boolean {
    if (this.#away) return false;
    this.#away = true;
    this.#wasRunnable = this.#runnable;
    // In a turn of the event loop it may be the one that was woken for work, and would not look for long.
    this.stopSearching();
    this.leaveRunnable();
    this.#dispatcher.wakeIfWork();
    return true;
  }

  /** Goes on with the handler, over the limit if its place was given away: the next worker that looks for a hint makes room. */
  comeBack(): void {
    this.#away = false;
    if (!this.#wasRunnable) return;
    this.#runnable = true;
    this.#limit.comeBack(this.#worker);
    this.#dispatcher.startMonitor();
  }

  leaveRunnable(): void {
    this.#dispatcher.runnable.leave(this.#worker);
    this.#runnable = false;
  }

  /** Looks for work before it rests, as one that was woken does. False if another one does, or it may take none. */
  search(): boolean {
    if (!this.#runnable || !this.#dispatcher.search()) return false;
    this.#searching = true;
    return true;
  }

  /** The look of one that searches: whether there is something to do, of whatever kind. */
  finds(): boolean {
    return this.#dispatcher.hasWork() || this.#findsMail() || this.isStopping || this.isCalled;
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
    if (this.#chains) this.share(1);
  }

  /** The wake rule after pushes of this worker, put off while it does not pay (D3). `mine`: see WakePolicy.wakes(). */
  share(mine: number): void {
    const { waiting } = this.#dispatcher;
    this.#memory.countHighest(Counter.RING_HIGH_WATER, waiting);
    if (this.#policy.wakes(waiting, mine)) this.#dispatcher.wakeForWork();
  }

  /** Whether a turn is to be timed; `number` counts them. */
  timesTurn(number: number): boolean {
    return this.#policy.timesTurn(number);
  }

  /** A turn that was timed is over; it began at this moment of performance.now(). */
  noteTurn(began: number): void {
    const now = performance.now();
    this.#policy.noteTurn(now - began);
    this.#lookout.look(now);
  }

  /** A wait in the kernel is over, and what it has brought is delivered. */
  noteDelivery(): void {
    // Who may not run leaves what it has brought to others, and to the monitor.
    if (this.#runnable) this.#lookout.look(performance.now());
  }

  /** Announces a park. True if there is a reason not to rest after all; endPark() follows in any case. */
  announcePark(how: typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL): boolean {
    this.leaveRunnable();
    this.#dispatcher.lot.announce(this.#worker, how);
    this.stopSearching();
    this.#dispatcher.mail.passPlace();
    return this.hasReason() || this.#hasPlace;
  }

  /** True if somebody has woken it. */
  endPark(): boolean {
    if (!this.#dispatcher.lot.settle(this.#worker)) return false;
    this.#searching = true;
    this.#memory.count(Counter.WAKES);
    return true;
  }

  /**
   * Whether it retires, after a park: it was asked to, and nothing needs it. It is in no set then, and must do nothing more than
   * to end its thread.
   */
  retires(): boolean {
    const { port } = this.#memory;
    if (port.load(this.#retireAt) !== RetireState.ASKED) return false;
    // It may have been woken for work at the same time: not the one that searches any more, it looks (D1).
    this.stopSearching();
    if (this.#mayLeave()) {
      if (port.compareExchange(this.#retireAt, RetireState.ASKED, RetireState.AGREED) === RetireState.ASKED)
        return true;
      this.#dispatcher.mail.boxes.open(this.#worker);
    }
    port.compareExchange(this.#retireAt, RetireState.ASKED, RetireState.NONE);
    return false;
  }

  /** Whether nothing needs it, no slot that lives in it either. If so, none will from now on: its mailbox is closed. */
  #mayLeave(): boolean {
    const { port } = this.#memory;
    const { boxes } = this.#dispatcher.mail;
    const isHome = (): boolean => port.load(this.#strandsAt) > 0 || this.#findsMail();
    if (isHome() || this.hasReason()) return false;
    boxes.close(this.#worker);
    // Look again: a registrar that counts a slot here looks at the mailbox after it (H2).
    if (!isHome() && !this.hasReason()) return true;
    boxes.open(this.#worker);
    return false;
  }

  /** Announces a wait in the kernel, as holder of the poll hint. True if there is a reason not to wait. */
  announceWait(): boolean {
    this.leaveRunnable();
    this.#dispatcher.mail.stopWaiting(this.#worker);
    this.#dispatcher.announceWait();
    this.#dispatcher.mail.passPlace();
    return this.finds() || this.#hasPlace;
  }

  /** Whether another worker has given it a place since it left its own (N3). */
  get #hasPlace(): boolean {
    return (this.#limit.runnable.bits & (1 << this.#worker)) !== 0;
  }

  /** True if it was kicked, whatever else has come. */
  endWait(): boolean {
    return this.#dispatcher.endWait();
  }

  /** Why a worker that has announced its park must not rest. */
  hasReason(): boolean {
    if (this.isStopping || this.isCalled) return true;
    const hasMail = this.#findsMail();
    // Before it looks for room (N1).
    if (hasMail) this.#dispatcher.mail.wait(this.#worker);
    return (hasMail || this.#dispatcher.hasWork()) && this.#limit.hasRoom;
  }

  get isStopping(): boolean {
    return this.#memory.port.load(Word.PHASE) === PoolPhase.CLOSED;
  }

  /** Whether somebody asks this worker to look at something. */
  get isCalled(): boolean {
    return this.#memory.port.load(this.#calledAt) !== 0;
  }
}
