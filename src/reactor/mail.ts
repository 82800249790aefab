/**
 * Mail: hints that reach one worker, and the place among the runnable ones that it needs for them.
 *
 *     worker:  leaves RUNNABLE;  parks;  WAITERS +1 if it has mail;  looks for room again       (then sleeps)
 *     others:  leave RUNNABLE;   look at WAITERS                                              (then wake one of them)
 *
 * N1  Both sides store before they load, as in D1: either who leaves sees the waiter, or the waiter sees the room.
 * N2  A sender wakes nobody that is in WAITERS while there is no room: that one gets the next place that is free, and looks
 *     into its mailbox after it has left WAITERS. Where there is room nobody is about to leave, and what WAITERS says may be old:
 *     the monitor may have put a worker there that had read its mail meanwhile.
 * N3  Who always has work leaves no place. So the monitor, if mail has waited through a tick, asks all runnable workers for a
 *     look, and the first of them gives its place to a waiter in one step: nobody else can take it in between.
 *     Who is about to rest looks whether he was given one after he has announced it: the giver wakes who has.
 * N4  A place is given to a worker that is there: its mailbox is open after it was given, or it is taken back.
 */
import { Counter, type Layout, Owner, Word } from '../slots/layout.ts';
import type { BoundedSet } from '../sync/bitset.ts';
import type { ParkingLot } from '../sync/parking.ts';
import type { Port } from '../sync/port.ts';
import type { Limit } from './limit.ts';
import { Mailboxes } from './mailboxes.ts';

/** What it needs of the dispatcher. */
export type Surroundings = {
  readonly memory: {
    readonly port: Port;
    readonly layout: Layout;
    readonly me: number;
    count(counter: Counter): void;
  };
  readonly lot: ParkingLot;
  readonly limit: Limit;
  readonly runnable: BoundedSet;
  readonly pollHolder: number;
  push(hint: number): void;
  wakeForWork(): void;
  wakeIfWork(): void;
  kickPoller(): boolean;
  startMonitor(): void;
};

export class Mail {
  readonly boxes: Mailboxes;
  readonly #dispatcher: Surroundings;

  constructor(dispatcher: Surroundings) {
    this.#dispatcher = dispatcher;
    this.boxes = new Mailboxes(dispatcher.memory.port, dispatcher.memory.layout);
  }

  /** Sends a hint to the one worker (0-based) that may take it, and sees to it that it comes. Any thread. */
  send(worker: number, hint: number): void {
    const { memory, limit } = this.#dispatcher;
    this.boxes.put(worker, hint);
    if (!this.boxes.isOpen(worker)) {
      // It is not there any more (B2).
      this.#dispatcher.push(hint);
      this.#dispatcher.wakeForWork();
      this.#dispatcher.startMonitor();
      return;
    }
    // It looks into its mailbox before it rests.
    if (memory.me === Owner.FIRST_WORKER + worker) return;
    if ((memory.port.load(Word.WAITERS) & (1 << worker)) === 0 || limit.hasRoom) this.rouse(worker);
    this.#dispatcher.startMonitor();
  }

  /** Wakes a worker if it rests, in whatever way. Any thread. */
  rouse(worker: number): void {
    const { lot, memory } = this.#dispatcher;
    const parked = (lot.parkedBits & (1 << worker)) !== 0;
    if (parked && lot.wake(worker)) memory.count(Counter.WAKES_SENT);
    else this.#kick(worker);
  }

  /** Wakes a worker that is parked, or waits in the kernel. True if it has. */
  #wake(worker: number): boolean {
    return this.#dispatcher.lot.wake(worker) || this.#kick(worker);
  }

  /** Wakes a worker if it waits in the kernel. */
  #kick(worker: number): boolean {
    const isPoller = this.#dispatcher.pollHolder === Owner.FIRST_WORKER + worker;
    return isPoller && this.#dispatcher.kickPoller();
  }

  /** Has a worker that is parked, or is about to be, get the next place. It looks for room after this. */
  wait(worker: number): void {
    this.#dispatcher.memory.port.or(Word.WAITERS, 1 << worker);
  }

  /** It has a place, or needs none any more. */
  stopWaiting(worker: number): void {
    const { port } = this.#dispatcher.memory;
    if ((port.load(Word.WAITERS) & (1 << worker)) !== 0) port.and(Word.WAITERS, ~(1 << worker));
  }

  /** There may be room: wakes one that waits for it. Any thread, after it has made room. */
  passPlace(): void {
    const { limit, memory } = this.#dispatcher;
    let rest = memory.port.load(Word.WAITERS);
    if (rest === 0 || !limit.hasRoom) return;
    for (; rest !== 0; rest &= rest - 1) if (this.#wake(31 - Math.clz32(rest & -rest))) return;
  }

  /** Gives the place of `worker`, which is runnable, to one that waits. True if it has: then it must leave off. The worker. */
  handOver(worker: number): boolean {
    const { limit, runnable, memory } = this.#dispatcher;
    const waiters = memory.port.load(Word.WAITERS) & ~(1 << worker);
    if (waiters === 0) return false;
    if (limit.hasRoom) {
      this.passPlace();
      return false;
    }
    // The next one in a circle: each comes to its turn.
    const behind = worker === 31 ? 0 : waiters & (-1 << (worker + 1));
    const rest = behind === 0 ? waiters : behind;
    const next = 31 - Math.clz32(rest & -rest);
    this.stopWaiting(next);
    if (!runnable.transfer(worker, next)) return false;
    // One that the monitor has put there late may wait in the kernel.
    if (this.boxes.isOpen(next)) this.#wake(next);
    else if (runnable.leave(next)) this.#dispatcher.wakeIfWork();
    return true;
  }
}
