/**
 * The last look at the ring: which hints had come by then, and when that was. Who looks next, the monitor or a worker
 * (lookout.ts), sees by it whether one of them still waits. Any thread may look: of two at once the later one counts.
 */
import { Word } from '../slots/layout.ts';
import type { Port } from '../sync/port.ts';
import type { Ring } from '../sync/ring.ts';

const US_PER_MS = 1000;
const NS_PER_US = 1000n;

/** The machine's monotonic clock, the same in all threads: whole microseconds modulo 2^32. About 100 ns. */
export const microseconds = (): number => Number(BigInt.asIntN(32, process.hrtime.bigint() / NS_PER_US));

/** Whether a hint before the position `tail` is still in a ring that begins at `head`. Positions wrap. Pure. */
export const stillWaits = (tail: number, head: number): boolean => ((tail - head) | 0) > 0;

export class Sight {
  readonly #port: Port;
  readonly #ring: Ring;

  constructor(port: Port, ring: Ring) {
    this.#port = port;
    this.#ring = ring;
  }

  /** Looks. */
  take(): void {
    this.#port.store(Word.SEEN_TAIL, this.#ring.tailPosition);
    // After it: who sees this moment sees those hints, or later ones.
    this.#port.store(Word.SEEN_AT, microseconds());
  }

  /** When that was, as a word that tells one look from another. */
  get at(): number {
    return this.#port.load(Word.SEEN_AT);
  }

  /** How long ago that was, in milliseconds; below 0 if it was more than half an hour. */
  get sinceMs(): number {
    return ((microseconds() - this.at) | 0) / US_PER_MS;
  }

  /** Whether one of those hints is in the ring now. */
  get stillWaits(): boolean {
    // The tail first: a later look would make hints seem older than they are.
    const tail = this.#port.load(Word.SEEN_TAIL);
    return stillWaits(tail, this.#ring.headPosition);
  }
}
