/**
 * The dispatcher: how a hint reaches a worker. Every thread of the pool has one over the same memory.
 *
 * The wake rule, correct first: work that is pushed wakes one parked worker, unless a woken one is still looking or as
 * many workers as `concurrency` run; if nobody is parked and a worker waits in the kernel, that one is kicked.
 *
 *     pusher:    push hint;  load SEARCHER                       (0: wake somebody)
 *     searcher:  store SEARCHER 0;  look at the ring again       (then sleep, or wake the next)
 *
 * D1  Both sides store before they load: either the pusher sees that nobody searches, or the searcher sees the hint.
 * D2  The same pairing protects RUNNABLE (a worker leaves it, then looks), the limit (it is set, then the setter looks) and
 *     the poller's wait (it announces, then looks).
 * D3  A worker may put the wake-up off while few hints wait: within two milliseconds the monitor makes good on it. Threads
 *     outside the pool never put it off, and start the monitor.
 */
import { Errno, type Native } from '../native/index.ts';
import { Call, Config, Counter, LINE, POLL_HINTS, WorkerWord, Word } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import type { BoundedSet } from '../sync/bitset.ts';
import { Overflow } from '../sync/overflow.ts';
import { ParkingLot } from '../sync/parking.ts';
import type { Port } from '../sync/port.ts';
import { Limit } from './limit.ts';
import { Mail } from './mail.ts';
import { Sight } from './sight.ts';
import { costAfter, hasRule } from './wake-policy.ts';

export const MonitorState = { ASLEEP: 0, AWAKE: 1 } as const;

/** The poller's word: { which poll hint is valid : 3, waits in the kernel : 1, holder : 8 }. */
const HOLDER_MASK = 255;
const POLLER_WAITS = 1 << 8;
const VALID_SHIFT = 9;
const validOf = (word: number): number => word >>> VALID_SHIFT;
const SEARCHING = 1;

/** Between two ticks of the monitor while somebody runs and does not put them off (lookout.ts). */
export const TICK_MS = 1;

/** What epoll_data carries for the pool's own descriptors: indexes that no slot has. */
export const OwnEvent = { WAKE: -2, STOP: -3 } as const;

/** What the dispatcher needs of a pool's memory: little enough to be explored. */
export type DispatcherMemory = Pick<
  PoolMemory,
  'layout' | 'ring' | 'me' | 'config' | 'count' | 'countHighest'
> & {
  readonly port: Port;
  /** The mean cost of a wake-up in milliseconds, 0 before the first. */
  wakeCostMs: number;
};

/** What it needs of the kernel. */
export type DispatcherKernel = Pick<Native, 'signal' | 'setTimer'>;

export class Dispatcher<
  Memory extends DispatcherMemory = DispatcherMemory,
  Kernel extends DispatcherKernel = DispatcherKernel,
> {
  readonly memory: Memory;
  readonly native: Kernel;
  readonly lot: ParkingLot;
  readonly limit: Limit;
  readonly runnable: BoundedSet;
  readonly overflow: Overflow;
  readonly mail: Mail;
  readonly sight: Sight;
  /** Hints from this on stand for "ask the kernel"; one of them is valid. */
  readonly #firstPollHint: number;
  readonly #oneSearcher: boolean;

  constructor(memory: Memory, native: Kernel) {
    const { port, layout } = memory;
    this.memory = memory;
    this.native = native;
    this.#firstPollHint = layout.pollIndex + 1;
    this.#oneSearcher = hasRule(memory.config(Config.WAKE_POLICY), 'oneSearcher');
    this.lot = new ParkingLot(
      port,
      {
        parked: Word.PARKED,
        clock: Word.PARK_CLOCK,
        state: layout.worker(0) + WorkerWord.STATE,
        stamp: layout.worker(0) + WorkerWord.STAMP,
        stride: LINE,
      },
      (worker) => this.signal(port.load(layout.worker(worker) + WorkerWord.EVENT_FD)),
    );
    this.limit = new Limit(port);
    this.runnable = this.limit.runnable;
    this.overflow = new Overflow(port, {
      added: Word.OVERFLOWED,
      swept: Word.OVERFLOW_SWEPT,
      cursor: Word.OVERFLOW_CURSOR,
      bits: layout.overflow,
      words: layout.overflowWords,
    });
    this.mail = new Mail(this);
    this.sight = new Sight(port, memory.ring);
  }

  /** Puts a hint at the tail. Any thread; it owes the wake rule afterwards. */
  push(hint: number): void {
    if (!this.memory.ring.push(hint)) this.overflow.add(hint);
  }

  /** The next hint, 0 for none. Workers. */
  take(): number {
    const { ring } = this.memory;
    const hint = ring.take();
    if (this.overflow.seemsEmpty) return hint;
    this.overflow.refill(ring);
    return hint === 0 ? ring.take() : hint;
  }

  /** Whether a hint waits: the second look. */
  hasWork(): boolean {
    return !this.memory.ring.isEmpty() || !this.overflow.isEmpty;
  }

  /** Whether no other worker could take a hint, or ask the kernel. */
  get alone(): boolean {
    return false;
  }

  /** How many hints wait, give or take what is under way. */
  get waiting(): number {
    return this.memory.ring.length;
  }

  /** Whether mail waits for a worker that is there; not for those of a bitmap. */
  mailWaits(except: number): boolean {
    const { boxes } = this.mail;
    for (let worker = 0; worker < this.memory.config(Config.MAX_THREADS); worker++)
      if ((except & (1 << worker)) === 0 && boxes.isOpen(worker) && !boxes.isEmpty(worker)) return true;
    return false;
  }

  /** Sees to it that somebody comes for a hint, now. For threads outside the pool, and for one-off requests. */
  pushed(): void {
    this.wakeForWork();
    this.startMonitor();
  }

  /** The second look of who has made room: whoever waited for a place is woken if there is work (D2). Any thread. */
  wakeIfWork(): void {
    this.mail.passPlace();
    if (this.hasWork()) this.wakeForWork();
  }

  /** Sets the limit on runnable workers. The app's thread. */
  setConcurrency(concurrency: number): void {
    this.limit.set(concurrency);
    this.wakeIfWork();
  }

  /** The wake rule. Any thread, after its push. */
  wakeForWork(): void {
    const { port } = this.memory;
    for (;;) {
      if (this.#oneSearcher && port.load(Word.SEARCHER) !== 0) return;
      if (!this.limit.hasRoom) return;
      if (!this.lot.anyParked) break;
      if (port.exchange(Word.SEARCHER, SEARCHING) !== 0 && this.#oneSearcher) return;
      if (this.#wakeNewest()) {
        this.memory.count(Counter.WAKES_SENT);
        return;
      }
      port.store(Word.SEARCHER, 0);
      // All have left meanwhile. Who made room while SEARCHER was set has woken nobody: look again (D1).
    }
    // Nobody is parked. A poller that waits in the kernel has no other way to learn of the hint.
    this.kickPoller();
  }

  #wakeNewest(): boolean {
    const began = performance.now();
    const woken = this.lot.wakeNewest();
    if (woken) this.memory.wakeCostMs = costAfter(this.memory.wakeCostMs, performance.now() - began);
    return woken;
  }

  /** Becomes the one that searches, though nobody has woken it. False if another one is. Worker; it owes stopSearching(). */
  search(): boolean {
    return this.#oneSearcher && this.memory.port.exchange(Word.SEARCHER, SEARCHING) === 0;
  }

  /** A woken worker has found something, or is about to sleep. Then it owes a look (D1). */
  stopSearching(): void {
    this.memory.port.store(Word.SEARCHER, 0);
  }

  /** Wakes the poller if it waits in the kernel. Any thread. */
  kickPoller(): boolean {
    const { port } = this.memory;
    for (;;) {
      const word = port.load(Word.POLLER);
      if ((word & POLLER_WAITS) === 0) return false;
      if (port.compareExchange(Word.POLLER, word, word & ~POLLER_WAITS) === word) {
        this.wakePoller();
        return true;
      }
    }
  }

  /** Ends the poller's wait, or its next one, whether it was announced or not. */
  wakePoller(): void {
    this.signal(this.memory.config(Config.WAKE_FD));
  }

  /** Writes one of the pool's eventfds, also if a signal handler interrupts that. (A full count takes 2^64 wake-ups.) Any thread. */
  signal(eventfd: number): void {
    while (this.native.signal(eventfd) === Errno.EINTR);
  }

  isPollHint(hint: number): boolean {
    return hint >= this.#firstPollHint;
  }

  /** The poll hint that is valid now. */
  get pollHint(): number {
    return this.#firstPollHint + validOf(this.memory.port.load(Word.POLLER));
  }

  /** Pushes the first poll hint. Once, by who makes the pool. */
  begin(): void {
    this.push(this.pollHint);
  }

  /** Claims the poll hint that the caller has taken. False if another has taken its place: then it is dropped. */
  claimPoll(hint: number): boolean {
    const { port, me } = this.memory;
    const word = port.load(Word.POLLER);
    const valid = validOf(word) === hint - this.#firstPollHint && (word & HOLDER_MASK) === 0;
    return valid && port.compareExchange(Word.POLLER, word, word | me) === word;
  }

  /** The poller is about to wait in the kernel; it must look again now. */
  announceWait(): void {
    this.memory.port.or(Word.POLLER, POLLER_WAITS);
  }

  /** The poller does not wait (any more). True if somebody has kicked it. */
  endWait(): boolean {
    return (this.memory.port.and(Word.POLLER, ~POLLER_WAITS) & POLLER_WAITS) === 0;
  }

  /** Puts the poll hint back at the tail. Its holder, or the supervisor of a dead one. */
  releasePoll(): void {
    // The hint that was held: once it is not, the supervisor may make another one valid.
    const held = this.memory.port.and(Word.POLLER, ~(POLLER_WAITS | HOLDER_MASK));
    this.push(this.#firstPollHint + validOf(held));
  }

  /**
   * Replaces the poll hint while nobody holds it: a worker that died may have taken it and not claimed it yet. If it is in
   * the ring after all, it is dropped at its claim. Two that circulated would keep each other from waiting.
   */
  replacePoll(): void {
    const { port } = this.memory;
    const word = port.load(Word.POLLER);
    if ((word & HOLDER_MASK) !== 0) return;
    const valid = (validOf(word) + 1) % POLL_HINTS;
    if (port.compareExchange(Word.POLLER, word, valid << VALID_SHIFT) === word)
      this.push(this.#firstPollHint + valid);
  }

  /** Slot owner that holds the poll hint, 0 while it waits to be taken. */
  get pollHolder(): number {
    return this.memory.port.load(Word.POLLER) & HOLDER_MASK;
  }

  get pollerWaits(): boolean {
    return (this.memory.port.load(Word.POLLER) & POLLER_WAITS) !== 0;
  }

  /** Whether the pool has a monitor: one of a single thread gets it with its first timeout. */
  get monitored(): boolean {
    return this.memory.config(Config.MONITORED) !== 0;
  }

  /**
   * Starts the monitor if it sleeps: its first tick is TICK_MS away. Any thread: after a push from outside, and on leaving a
   * blocking wait with work.
   */
  startMonitor(): void {
    if (!this.monitored) return;
    const { port } = this.memory;
    if (port.load(Word.MONITOR) !== MonitorState.ASLEEP) return;
    if (port.compareExchange(Word.MONITOR, MonitorState.ASLEEP, MonitorState.AWAKE) === MonitorState.ASLEEP) {
      this.setAlarm(TICK_MS);
    }
  }

  /** Starts the monitor, whether it seems to be awake or not: who marked it as awake may have died before he set the alarm. */
  restartMonitor(): void {
    this.startMonitor();
    this.setAlarm(TICK_MS);
  }

  /**
   * Has the monitor tick in `ms`, and not before. Any thread: who sets it later knows that nothing waits for the monitor
   * now.
   */
  setAlarm(ms: number): void {
    this.native.setTimer(this.memory.config(Word.MONITOR_TIMER), ms);
  }

  /** Asks `worker` (0-based) to look at its pending handlers. Any thread. */
  callAttention(worker: number): void {
    const { port, layout } = this.memory;
    port.or(layout.worker(worker) + WorkerWord.ATTENTION, Call.PENDING);
    if (!this.lot.wake(worker) && this.pollHolder === worker + 1) this.kickPoller();
  }
}

/** The dispatcher of a thread that has the whole pool memory. */
export type PoolDispatcher = Dispatcher<PoolMemory, Native>;
