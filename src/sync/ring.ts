/**
 * The ring: a bounded queue of hints in shared memory, any number of producers and consumers, first in first out.
 *
 * A cell is one word { lap : 11, hint : 21 }; hint 0 means empty. Position p (a 32-bit counter) lives in cell
 * p mod capacity and belongs to lap (p / capacity) mod 2^11:
 *
 *     (lap p, 0)  --push CAS-->  (lap p, hint)  --take CAS-->  (lap p + 1, 0)
 *
 * Publishing and taking are that one CAS. Head and tail are only pointers to where to look: whoever finds that they
 * lag behind the cells advances them. So a thread that vanishes at any instruction leaves nothing to repair (G9).
 *
 * I1  A cell's lap never goes back (mod 2^11), so each position is published once and taken once.
 * I2  tail <= p while p is unpublished, head <= p while p is not taken: they never overtake the cells.
 * I3  push fails only if the ring held `capacity` hints at the moment of its last load.
 *
 * A CAS by a thread that slept through exactly 2^11 laps could succeed wrongly; it would then publish its hint at a
 * position that is empty and due, and head and tail help each other past it: nothing is lost, order is bent once.
 */
import type { Port } from './port.ts';

const HINT_BITS = 21;
const HINT_MASK = (1 << HINT_BITS) - 1;
const LAP_BITS = 11;
const LAP_MASK = (1 << LAP_BITS) - 1;

/** The largest hint that a ring carries; the smallest is 1. */
export const MAX_HINT: number = HINT_MASK;

/** The largest capacity: a position has 32 bits, 11 of which name the lap. */
export const MAX_RING_CAPACITY: number = 1 << (32 - LAP_BITS);

/** Where the ring's words are: the head, the tail, and `capacity` (a power of two) cells. */
export type RingPlace = {
  readonly head: number;
  readonly tail: number;
  readonly cells: number;
  readonly capacity: number;
};

export class Ring {
  readonly capacity: number;
  readonly #port: Port;
  readonly #head: number;
  readonly #tail: number;
  readonly #cells: number;
  readonly #mask: number;
  readonly #lapShift: number;

  constructor(port: Port, place: RingPlace) {
    this.capacity = place.capacity;
    this.#port = port;
    this.#head = place.head;
    this.#tail = place.tail;
    this.#cells = place.cells;
    this.#mask = place.capacity - 1;
    this.#lapShift = 31 - Math.clz32(place.capacity);
  }

  /**
   * Prepares the words so that position `start` is the next one; once, before anybody else sees the ring.
   * `start` other than 0 is for tests that want to see the counters wrap.
   */
  initialize(start = 0): void {
    for (let offset = 0; offset < this.capacity; offset++) {
      const position = (start + offset) | 0;
      this.#port.store(this.#cellOf(position), this.#lapOf(position) << HINT_BITS);
    }
    this.#port.store(this.#head, start | 0);
    this.#port.store(this.#tail, start | 0);
  }

  /** Puts `hint` (1 … MAX_HINT) at the tail. False if the ring was full. Any thread. */
  push(hint: number): boolean {
    const port = this.#port;
    for (;;) {
      const tail = port.peek(this.#tail);
      const at = this.#cellOf(tail);
      const cell = port.peek(at);
      const lap = this.#lapOf(tail);
      const ahead = ((cell >>> HINT_BITS) - lap) & LAP_MASK;
      if (ahead === 0 && (cell & HINT_MASK) === 0) {
        // Publishes the hint; pairs with the load of the cell in take().
        if (port.compareExchange(at, cell, cell | hint) === cell) {
          port.compareExchange(this.#tail, tail, (tail + 1) | 0);
          return true;
        }
      } else if (ahead === 0 || ahead === 1) {
        // Position `tail` is published already (and perhaps taken): the tail lags.
        port.compareExchange(this.#tail, tail, (tail + 1) | 0);
      } else if (port.load(this.#tail) === tail) {
        // The cell still holds the hint of one lap ago, and the tail was true after that was seen: full.
        return false;
      }
    }
  }

  /** Takes the hint at the head, 0 if the ring was empty. Any thread. */
  take(): number {
    const port = this.#port;
    for (;;) {
      const head = port.peek(this.#head);
      const at = this.#cellOf(head);
      const cell = port.peek(at);
      const lap = this.#lapOf(head);
      const ahead = ((cell >>> HINT_BITS) - lap) & LAP_MASK;
      const hint = cell & HINT_MASK;
      if (ahead === 0) {
        if (hint === 0) return 0;
        const taken = ((lap + 1) & LAP_MASK) << HINT_BITS;
        if (port.compareExchange(at, cell, taken) === cell) {
          port.compareExchange(this.#head, head, (head + 1) | 0);
          return hint;
        }
      } else if (ahead === 1) {
        // Position `head` is taken already: the head lags.
        port.compareExchange(this.#head, head, (head + 1) | 0);
      }
    }
  }

  /** True if a take() at this moment would find nothing. Any thread; used by the second look before sleeping. */
  isEmpty(): boolean {
    const port = this.#port;
    for (;;) {
      const head = port.load(this.#head);
      const cell = port.load(this.#cellOf(head));
      const ahead = ((cell >>> HINT_BITS) - this.#lapOf(head)) & LAP_MASK;
      if (ahead === 0) return (cell & HINT_MASK) === 0;
      if (ahead === 1) port.compareExchange(this.#head, head, (head + 1) | 0);
    }
  }

  /** How many hints wait, give or take the operations under way. Any thread; for policies and statistics. */
  get length(): number {
    const length = (this.#port.peek(this.#tail) - this.#port.peek(this.#head)) | 0;
    return length < 0 ? 0 : length;
  }

  /** Position of the next hint to be taken, and of the next to be pushed, as 32-bit counters that wrap. */
  get headPosition(): number {
    return this.#port.load(this.#head);
  }

  get tailPosition(): number {
    return this.#port.load(this.#tail);
  }

  #cellOf(position: number): number {
    return this.#cells + (position & this.#mask);
  }

  #lapOf(position: number): number {
    return (position >>> this.#lapShift) & LAP_MASK;
  }
}
