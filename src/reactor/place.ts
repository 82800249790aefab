/**
 * The place of an attached Worker: how the thread that made the pool and a Worker of the app that has joined it deal with
 * each other. It is a few words of shared memory, plain data like all of a ticket, so no port has to be handed over.
 *
 *     the pool's thread                                    the Worker
 *     TICKET = number of the last ticket                   swaps it for 0: a ticket is used once
 *     sets the phase;  waits while INSIDE is not 0          INSIDE + 1;  looks at the phase;  does it;  INSIDE - 1
 *     takes NEWS, looks, sleeps without blocking            NEWS |= what;  notifies
 *
 * A1  Once the pool has begun to end and nobody is inside, no attached thread registers anything any more. Once it is CLOSED
 *     and nobody is inside, none uses a descriptor of the pool: its number may be another file's soon (G4).
 * A2  Who dies inside stays inside. The pool's thread forgets the place when it has seen the exit, and has put right what
 *     was held (supervision/attachments.ts).
 */
import { Errno, type Native } from '../native/index.ts';
import { type PoolBuffers, type PoolMemory, PoolPhase } from '../slots/memory.ts';
import type { Port } from '../sync/port.ts';
import type { HandlerEntry } from './protocol.ts';
import type { SlotKernel } from './strands.ts';

export const PlaceWord = { TICKET: 0, INSIDE: 1, NEWS: 2, JOINED: 3 } as const;
export const PLACE_WORDS = 4;

/** What the pool's thread is told, as bits. */
export const News = {
  /** The number of registrations has become zero, or one. */
  REGISTRATIONS: 1,
  /** Something has a timeout, and there is no monitor yet. */
  TIMED: 2,
} as const;

/** Lets one Worker attach itself, once: plain data, to be sent to it as it is. */
export type Ticket = {
  /** Version of the memory's layout. */
  readonly wakeone: number;
  readonly buffers: PoolBuffers;
  readonly place: Int32Array<SharedArrayBuffer>;
  readonly number: number;
  /** Node's id of the thread that it is made for. */
  readonly thread: number;
  /** By what id that thread owns slots. */
  readonly owner: number;
  readonly entries: readonly HandlerEntry[];
  /** Descriptors of the pools of the thread that made it. */
  readonly reserved: ReadonlySet<number>;
};

/** The Worker's side. */
export class Place {
  readonly #port: Port;
  readonly #memory: Pick<PoolMemory, 'phase'>;

  /** `port` is that of the place's own words. */
  constructor(port: Port, memory: Pick<PoolMemory, 'phase'>) {
    this.#port = port;
    this.#memory = memory;
  }

  /** Uses the ticket of this number up; false if that was done before, or there is a newer one. */
  join(number: number): boolean {
    if (this.#port.compareExchange(PlaceWord.TICKET, number, 0) !== number) return false;
    this.#port.store(PlaceWord.JOINED, 1);
    return true;
  }

  /** Goes inside if the pool is not beyond `phase`; then leave() follows. May be nested. */
  enter(phase: PoolPhase): boolean {
    // Before the look (A1): the pool's thread sets the phase, then looks at this.
    this.#port.add(PlaceWord.INSIDE, 1);
    if (this.#memory.phase <= phase) return true;
    this.leave();
    return false;
  }

  leave(): void {
    this.#port.add(PlaceWord.INSIDE, -1);
  }

  tell(news: number): void {
    this.#port.or(PlaceWord.NEWS, news);
    this.#port.notify(PlaceWord.NEWS, 1);
  }
}

/** The kernel for an attached thread: the pool's descriptors are used only while they are certain to be open (A1). */
export class PlaceKernel implements SlotKernel {
  readonly #native: SlotKernel;
  readonly #place: Place;

  constructor(native: SlotKernel, place: Place) {
    this.#native = native;
    this.#place = place;
  }

  signal(eventfd: number): number {
    return this.#whileOpen(() => this.#native.signal(eventfd));
  }

  setTimer(timer: number, ms: number): number {
    return this.#whileOpen(() => this.#native.setTimer(timer, ms));
  }

  epollControl(...call: Parameters<Native['epollControl']>): number {
    return this.#whileOpen(() => this.#native.epollControl(...call));
  }

  close(fd: number): number {
    return this.#native.close(fd);
  }
  #whileOpen(call: () => number): number {
    if (!this.#place.enter(PoolPhase.DESTROYING)) return Errno.EBADF;
    const result = call();
    this.#place.leave();
    return result;
  }
}
