/** Rings with one mistake each. They share the words of ring-world.ts: head 0, tail 1, cells from 2. */
import { MAX_HINT, Ring } from '../../../src/sync/ring.ts';
import type { Port } from '../../../src/sync/port.ts';
import type { RingLike } from '../../sync/ring-world.ts';

const HEAD = 0;
const TAIL = 1;
const CELLS = 2;
const LAP_SHIFT = 21;

/** Claims a position by moving the head, and takes the hint then: a taker that vanishes in between leaves a hole. */
export class HeadFirstRing extends Ring {
  readonly #port: Port;

  constructor(port: Port, capacity: number) {
    super(port, { head: HEAD, tail: TAIL, cells: CELLS, capacity });
    this.#port = port;
  }

  override take(): number {
    for (;;) {
      const head = this.#port.load(HEAD);
      const at = CELLS + (head & (this.capacity - 1));
      const lap = Math.floor(head / this.capacity);
      const cell = this.#port.load(at);
      if (cell >>> LAP_SHIFT !== lap || (cell & MAX_HINT) === 0) return 0;
      if (this.#port.compareExchange(HEAD, head, head + 1) !== head) continue;
      this.#port.store(at, (lap + 1) << LAP_SHIFT);
      return cell & MAX_HINT;
    }
  }
}

/** Says that it is full without having made sure that the tail was true. */
export class HastyRing extends Ring {
  readonly #port: Port;

  constructor(port: Port, capacity: number) {
    super(port, { head: HEAD, tail: TAIL, cells: CELLS, capacity });
    this.#port = port;
  }

  override push(hint: number): boolean {
    const tail = this.#port.load(TAIL);
    if ((this.#port.load(CELLS + (tail & (this.capacity - 1))) & MAX_HINT) !== 0) return false;
    return super.push(hint);
  }
}

/** Cells without laps: an empty cell of the next lap looks like one of this lap. */
export class LaplessRing implements RingLike {
  readonly #port: Port;
  readonly #capacity: number;

  constructor(port: Port, capacity: number) {
    this.#port = port;
    this.#capacity = capacity;
  }

  initialize(start = 0): void {
    this.#port.store(HEAD, start);
    this.#port.store(TAIL, start);
  }

  push(hint: number): boolean {
    for (;;) {
      const tail = this.#port.load(TAIL);
      if (tail - this.#port.load(HEAD) >= this.#capacity) return false;
      const won = this.#port.compareExchange(this.#cellOf(tail), 0, hint) === 0;
      this.#port.compareExchange(TAIL, tail, tail + 1);
      if (won) return true;
    }
  }

  take(): number {
    for (;;) {
      const head = this.#port.load(HEAD);
      if (this.#port.load(TAIL) === head) return 0;
      const hint = this.#port.exchange(this.#cellOf(head), 0);
      this.#port.compareExchange(HEAD, head, head + 1);
      if (hint !== 0) return hint;
    }
  }

  isEmpty(): boolean {
    return this.#port.load(HEAD) === this.#port.load(TAIL);
  }

  #cellOf(position: number): number {
    return CELLS + (position & (this.#capacity - 1));
  }
}
