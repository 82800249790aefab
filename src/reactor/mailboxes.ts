/**
 * Mailboxes: hints that one worker alone may take, that in which their slots live (affinity 'sticky'). A mailbox is a small
 * ring and a set of bits for what that has no room for, as the queue of all: a thread that vanishes leaves nothing to repair.
 *
 *     sender:  hint into the mailbox ─▶ set Call.MAIL ─▶ still open? ─▶ parked, or waits in the kernel? wake it
 *     worker:  Call.MAIL seen by a plain read ─▶ clear it ─▶ takes until the mailbox is empty
 *
 * B1  The worker clears Call.MAIL before it looks into the mailbox, the sender sets it after its hint is there: what the worker
 *     does not find now it finds after the next plain read. Before it rests it looks into the mailbox itself.
 * B2  A mailbox is closed when its worker has died or retired. The sender looks after its hint is there: if it finds it
 *     closed, it puts the hint into the queue of all. If not, the slot was QUEUED before the closing, and who closes looks
 *     at all slots after it.
 * B3  Who finds a hint of a slot that lives elsewhere (one of before, pushed twice) gives the slot back: only the home of a
 *     slot runs its turns, or anybody if the slot has no home any more.
 */
import { Call, type Layout, MAILBOX_CAPACITY, MailboxWord, WorkerWord } from '../slots/layout.ts';
import { Overflow } from '../sync/overflow.ts';
import type { Port } from '../sync/port.ts';
import { Ring } from '../sync/ring.ts';

type Mailbox = { readonly ring: Ring; readonly overflow: Overflow };

export class Mailboxes {
  readonly #port: Port;
  readonly #layout: Layout;
  readonly #boxes: Mailbox[] = [];

  constructor(port: Port, layout: Layout) {
    this.#port = port;
    this.#layout = layout;
  }

  /** Puts a hint into the mailbox of `worker`. Any thread, also if the hint is there already; it owes a look at isOpen(). */
  put(worker: number, hint: number): void {
    const { ring, overflow } = this.#of(worker);
    if (!ring.push(hint)) overflow.add(hint);
    this.call(worker);
  }

  /** Has the worker look into its mailbox when it looks up. */
  call(worker: number): void {
    this.#port.or(this.#layout.worker(worker) + WorkerWord.ATTENTION, Call.MAIL);
  }

  /** The next hint, 0 for none. The worker. */
  take(worker: number): number {
    const { ring, overflow } = this.#of(worker);
    const hint = ring.take();
    if (overflow.seemsEmpty) return hint;
    overflow.refill(ring);
    return hint === 0 ? ring.take() : hint;
  }

  isEmpty(worker: number): boolean {
    const { ring, overflow } = this.#of(worker);
    return ring.isEmpty() && overflow.isEmpty;
  }

  /** Moves on with each hint that is taken. */
  positionOf(worker: number): number {
    return this.#of(worker).ring.headPosition;
  }

  open(worker: number): void {
    this.#port.store(this.#stateOf(worker), 1);
  }

  /** Who closes it owes a look at what is in it, or at all slots. */
  close(worker: number): void {
    this.#port.store(this.#stateOf(worker), 0);
  }

  isOpen(worker: number): boolean {
    return this.#port.load(this.#stateOf(worker)) !== 0;
  }

  #stateOf(worker: number): number {
    return this.#layout.worker(worker) + WorkerWord.OPEN;
  }

  #of(worker: number): Mailbox {
    return (this.#boxes[worker] ??= this.#make(worker));
  }

  #make(worker: number): Mailbox {
    const at = this.#layout.mailbox(worker);
    const ring = {
      head: at + MailboxWord.HEAD,
      tail: at + MailboxWord.TAIL,
      cells: at + MailboxWord.CELLS,
      capacity: MAILBOX_CAPACITY,
    };
    const overflow = {
      added: at + MailboxWord.OVERFLOWED,
      swept: at + MailboxWord.OVERFLOW_SWEPT,
      cursor: at + MailboxWord.OVERFLOW_CURSOR,
      bits: at + MailboxWord.CELLS + MAILBOX_CAPACITY,
      words: this.#layout.overflowWords,
    };
    return { ring: new Ring(this.#port, ring), overflow: new Overflow(this.#port, overflow) };
  }
}
