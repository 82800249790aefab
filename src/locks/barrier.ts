/** The barrier. */
import { Barrier as BarrierWord, MOST_PARTIES } from '../sync/barrier.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { block } from '../sync/waiting.ts';
import { count, type SharedMemory, spotOf } from './memory.ts';
import { checkWait, mayBlock, unblocked } from './thread.ts';

/**
 * Where threads wait until so many of them have arrived; then it is closed again, for the next round. Four bytes of shared
 * memory, zero at first. It does not know who is to come: an arrival counts if the thread dies after it, and who dies
 * before is waited for, until somebody arrives in its place or the others' time is over.
 */
export class Barrier {
  /** Bytes of shared memory. */
  static readonly BYTES = 4;
  readonly #port: AtomicsPort;
  readonly #word: BarrierWord;

  /** `parties` is 1 to 65,535, the same in all threads. @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedMemory, byteOffset: number, parties: number) {
    const { port, at } = spotOf(memory, byteOffset, 1);
    this.#port = port;
    this.#word = new BarrierWord(port, at, count('parties', parties, MOST_PARTIES));
  }

  /**
   * Arrives, and blocks the thread until all have; true. False if they have not within `timeoutMs`: the arrival is taken
   * back. Workers.
   * @throws ERR_WAKEONE_MAIN_THREAD, ERR_WAKEONE_INVALID_ARGUMENT
   */
  wait(timeoutMs?: number): boolean {
    mayBlock('wait()', 'waitAsync()');
    return block(this.#port, this.#word.arriving(), checkWait(timeoutMs));
  }

  /** As `wait()`, without blocking. Any thread. @throws ERR_WAKEONE_INVALID_ARGUMENT */
  async waitAsync(timeoutMs?: number): Promise<boolean> {
    return await unblocked(this.#port, this.#word.arriving(), checkWait(timeoutMs));
  }

  /** How many have arrived and wait. Any thread. */
  get arrived(): number {
    return this.#word.arrived;
  }
}
