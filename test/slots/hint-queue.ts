/**
 * Where the hints of a slot's world go: the real ring, or a word that is a queue in one step, which gives smaller
 * explorations. ring.test.ts shows that the two answer alike.
 */
import { MAX_HINT, Ring } from '../../src/sync/ring.ts';
import type { VirtualPort } from '../explorer/program.ts';
import { At, LAYOUT, RING_CAPACITY, SLOT } from './slot-words.ts';

export type QueueKind = 'real' | 'atomic';

const HINT = SLOT + 1;
const HINT_BITS = 2;

export class HintQueue {
  readonly #port: VirtualPort;
  readonly #ring: Ring | undefined;

  constructor(port: VirtualPort, kind: QueueKind) {
    this.#port = port;
    const place = { head: At.HEAD, tail: At.TAIL, cells: LAYOUT.ring, capacity: RING_CAPACITY };
    this.#ring = kind === 'real' ? new Ring(port, place) : undefined;
  }

  initialize(): void {
    this.#ring?.initialize();
  }

  push(): boolean {
    if (this.#ring !== undefined) return this.#ring.push(HINT);
    return this.#port.update(At.QUEUE, append) >>> (HINT_BITS * (RING_CAPACITY - 1)) === 0;
  }

  take(): number {
    if (this.#ring !== undefined) return this.#ring.take();
    return this.#port.update(At.QUEUE, (hints) => hints >>> HINT_BITS) & HINT;
  }
}

/** How many hints are in the queue, whichever it is. */
export function hintsIn(word: (at: number) => number): number {
  let count = 0;
  for (let hints = word(At.QUEUE); hints !== 0; hints >>>= HINT_BITS) count++;
  for (let i = 0; i < RING_CAPACITY; i++) if ((word(LAYOUT.ring + i) & MAX_HINT) !== 0) count++;
  return count;
}

function append(hints: number): number {
  let shift = 0;
  while (hints >>> shift !== 0) shift += HINT_BITS;
  return hints | (HINT << shift);
}
