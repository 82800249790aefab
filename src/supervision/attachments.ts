/**
 * The Workers of the app that have joined the pool. Each has an owner id of its own from its first ticket until its `exit`
 * event was seen: only then nothing of it runs any more, and what it held can be put right. See reactor/place.ts.
 */
import { setTimeout as after } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { makeError, show } from '../errors.ts';
import { PLACE_WORDS, PlaceWord, type Ticket } from '../reactor/place.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import { LAYOUT_VERSION, MAX_ATTACHED, Owner } from '../slots/layout.ts';
import type { PoolBuffers } from '../slots/memory.ts';
import { noteDeath } from '../sync/deaths.ts';
import { AtomicsPort } from '../sync/port.ts';
import { reservedDescriptors } from './descriptors.ts';

/** How often the pool's end looks whether a Worker is still in the middle of a call: those take microseconds. */
const LOOK_MS = 1;

export type AttachmentEvents = {
  /** A thread that was attached has ended, perhaps in the middle of something. */
  readonly onExit: (owner: number) => void;
  /** What an attached thread tells: bits of News. */
  readonly onNews: (news: number) => void;
};

type Held = {
  readonly owner: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly port: AtomicsPort;
  readonly exited: () => void;
  tickets: number;
  over: boolean;
};

export class Attachments {
  readonly #buffers: PoolBuffers;
  readonly #events: AttachmentEvents;
  readonly #places = new Map<Worker, Held>();

  constructor(buffers: PoolBuffers, events: AttachmentEvents) {
    this.#buffers = buffers;
    this.#events = events;
  }

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_ATTACH_LIMIT; then nothing has changed */
  issue(worker: Worker, entries: readonly HandlerEntry[]): Ticket {
    if (!(worker instanceof Worker) || worker.threadId < 0)
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'worker', 'a Worker that has not ended', show(worker));
    const held = this.#places.get(worker) ?? this.#hold(worker);
    const number = ++held.tickets;
    held.port.store(PlaceWord.TICKET, number);
    return {
      wakeone: LAYOUT_VERSION,
      buffers: this.#buffers,
      place: held.words,
      number,
      thread: worker.threadId,
      owner: held.owner,
      entries,
      reserved: reservedDescriptors(),
    };
  }

  /** Whether an attached thread is in the middle of a call. */
  get anyInside(): boolean {
    return [...this.#places.values()].some(({ port }) => port.load(PlaceWord.INSIDE) !== 0);
  }

  /** Resolves when no attached thread is in the middle of a call (A1). The phase that keeps them out is set before. */
  async outside(): Promise<void> {
    while (this.anyInside) await after(LOOK_MS);
  }

  /** The pool is over: what becomes of the Workers is nobody's concern. */
  end(): void {
    for (const [worker, held] of this.#places) {
      worker.off('exit', held.exited);
      this.#forget(worker, held);
    }
  }

  #hold(worker: Worker): Held {
    const words = new Int32Array(new SharedArrayBuffer(PLACE_WORDS * Int32Array.BYTES_PER_ELEMENT));
    const held: Held = {
      owner: this.#vacancy(),
      words,
      port: new AtomicsPort(words),
      tickets: 0,
      over: false,
      exited: () => this.#exited(worker),
    };
    this.#places.set(worker, held);
    worker.once('exit', held.exited);
    const { threadId } = worker;
    // Also if the pool has ended by then: locks of wakeone/sync are no pool's.
    worker.once('exit', () => noteDeath(threadId));
    void this.#listen(held);
    return held;
  }

  #vacancy(): number {
    const taken = new Set([...this.#places.values()].map(({ owner }) => owner));
    for (let owner: number = Owner.FIRST_ATTACHED; owner < Owner.SUPERVISOR; owner++)
      if (!taken.has(owner)) return owner;
    throw makeError('ERR_WAKEONE_ATTACH_LIMIT', `${MAX_ATTACHED}`);
  }

  #exited(worker: Worker): void {
    const held = this.#places.get(worker);
    if (held === undefined) return;
    if (held.port.load(PlaceWord.JOINED) !== 0) this.#events.onExit(held.owner);
    this.#forget(worker, held);
  }

  #forget(worker: Worker, held: Held): void {
    this.#places.delete(worker);
    held.over = true;
    held.port.notify(PlaceWord.NEWS, 1);
  }

  /** Hears what the Worker tells, until it has ended. A wait of this kind keeps no process alive. */
  async #listen(held: Held): Promise<void> {
    while (!held.over) {
      const news = held.port.exchange(PlaceWord.NEWS, 0);
      if (news !== 0) this.#events.onNews(news);
      const waits = Atomics.waitAsync(held.words, PlaceWord.NEWS, 0);
      if (waits.async) await waits.value;
    }
  }
}
