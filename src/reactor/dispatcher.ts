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
 * D2  The same pairing protects RUNNABLE (a worker leaves it, then looks) and the poller's wait (it announces, then looks).
 * D3  A worker may put the wake-up off while few hints wait; the monitor makes good within a tick. Threads outside the
 *     pool never put it off, and start the monitor.
 */
import type { Native } from '../native/index.ts';
import { Config, Counter, LINE, SlotWord, WorkerWord, Word } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { BoundedSet } from '../sync/bitset.ts';
import { Mutex } from '../sync/mutex.ts';
import { Overflow } from '../sync/overflow.ts';
import { ParkingLot } from '../sync/parking.ts';
import type { Port } from '../sync/port.ts';

export const MonitorState = { ASLEEP: 0, AWAKE: 1 } as const;
const POLLER_WAITS = 1 << 8;
const SEARCHING = 1;

/** What epoll_data carries for the pool's own descriptors: indexes that no slot has. */
export const OwnEvent = { WAKE: -2, STOP: -3 } as const;

/** What the dispatcher needs of a pool's memory: little enough to be explored. */
export type DispatcherMemory = Pick<
  PoolMemory,
  'layout' | 'ring' | 'me' | 'config' | 'count' | 'countHighest'
> & {
  readonly port: Port;
};

export class Dispatcher<
  Memory extends DispatcherMemory = DispatcherMemory,
  Kernel extends Pick<Native, 'signal'> = Pick<Native, 'signal'>,
> {
  readonly memory: Memory;
  readonly native: Kernel;
  readonly lot: ParkingLot;
  readonly runnable: BoundedSet;
  readonly overflow: Overflow;
  /** The hint that stands for "ask the kernel". */
  readonly pollHint: number;
  readonly #monitored: boolean;

  constructor(memory: Memory, native: Kernel) {
    const { port, layout } = memory;
    this.memory = memory;
    this.native = native;
    this.pollHint = layout.pollIndex + 1;
    this.#monitored = memory.config(Config.MONITORED) !== 0;
    this.lot = new ParkingLot(
      port,
      {
        parked: Word.PARKED,
        clock: Word.PARK_CLOCK,
        state: layout.worker(0) + WorkerWord.STATE,
        stamp: layout.worker(0) + WorkerWord.STAMP,
        stride: LINE,
      },
      (worker) => native.signal(port.load(layout.worker(worker) + WorkerWord.EVENT_FD)),
    );
    this.runnable = new BoundedSet(port, Word.RUNNABLE);
    this.overflow = new Overflow(
      port,
      {
        fresh: Word.OVERFLOW_NEW,
        turned: Word.OVERFLOW_OLD,
        count: Word.OVERFLOWED,
        link: layout.slot(0) + SlotWord.NEXT,
        stride: LINE,
      },
      new Mutex(port, Word.OVERFLOW_LOCK),
      memory.me,
    );
  }

  get concurrency(): number {
    return this.memory.port.load(Config.CONCURRENCY);
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

  /** Pushes a slot's hint and sees to it that somebody comes, now. For threads outside the pool, and for one-off requests. */
  pushAndWake(index: number): void {
    this.push(index + 1);
    this.wakeForWork();
    this.startMonitor();
  }

  /** The wake rule. Any thread, after its push. */
  wakeForWork(): void {
    const { port } = this.memory;
    if (port.load(Word.SEARCHER) !== 0) return;
    if (this.runnable.size >= this.concurrency) return;
    if (this.lot.anyParked) {
      if (port.compareExchange(Word.SEARCHER, 0, SEARCHING) !== 0) return;
      if (this.lot.wakeNewest()) {
        this.memory.count(Counter.WAKES_SENT);
        return;
      }
      port.store(Word.SEARCHER, 0);
    }
    // Nobody is parked. A poller that waits in the kernel has no other way to learn of the hint.
    this.kickPoller();
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
        this.native.signal(this.memory.config(Config.WAKE_FD));
        return true;
      }
    }
  }

  /**
   * Claims the poll hint that the caller has taken. False if another one holds it: then the hint is a duplicate (made
   * by the supervisor when a worker died near it) and is dropped.
   */
  claimPoll(): boolean {
    return this.memory.port.compareExchange(Word.POLLER, 0, this.memory.me) === 0;
  }

  /** The poller is about to wait in the kernel; it must look again now. */
  announceWait(): void {
    this.memory.port.store(Word.POLLER, this.memory.me | POLLER_WAITS);
  }

  /** The poller does not wait (any more). */
  endWait(): void {
    this.memory.port.store(Word.POLLER, this.memory.me);
  }

  /** Puts the poll hint back at the tail. */
  releasePoll(): void {
    this.memory.port.store(Word.POLLER, 0);
    this.push(this.pollHint);
  }

  /** Slot owner that holds the poll hint, 0 while it is in the ring. */
  get pollHolder(): number {
    return this.memory.port.load(Word.POLLER) & (POLLER_WAITS - 1);
  }

  get pollerWaits(): boolean {
    return (this.memory.port.load(Word.POLLER) & POLLER_WAITS) !== 0;
  }

  /** Starts the monitor if it sleeps. Any thread: after a push from outside, and on leaving a blocking wait with work. */
  startMonitor(): void {
    if (!this.#monitored) return;
    const { port } = this.memory;
    if (port.load(Word.MONITOR) !== MonitorState.ASLEEP) return;
    if (port.compareExchange(Word.MONITOR, MonitorState.ASLEEP, MonitorState.AWAKE) === MonitorState.ASLEEP) {
      port.notify(Word.MONITOR, 1);
    }
  }

  /** Asks `worker` (0-based) to look at its pending handlers. Any thread. */
  callAttention(worker: number): void {
    const { port, layout } = this.memory;
    port.store(layout.worker(worker) + WorkerWord.ATTENTION, 1);
    if (!this.lot.wake(worker) && this.pollHolder === worker + 1) this.kickPoller();
  }
}

/** The dispatcher of a thread that has the whole pool memory. */
export type PoolDispatcher = Dispatcher<PoolMemory, Native>;
