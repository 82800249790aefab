/**
 * Something that is done once: under a mutex, until a word says that it is done. If who does it dies, the next one that wants
 * it finds the mutex left and the word unchanged, and does it.
 *
 *     word 0 mutex, word 1 done
 */
import { Mutex } from './mutex.ts';
import type { Port } from './port.ts';
import { FOREVER, type IsDead } from './waiting.ts';

const DONE = 1;

export const Turn = { DO_IT: 0, DONE: 1, TIMED_OUT: 2 } as const;
export type Turn = (typeof Turn)[keyof typeof Turn];

export class Once {
  readonly mutex: Mutex;
  readonly #port: Port;
  readonly #done: number;

  constructor(port: Port, at: number, isDead: IsDead) {
    this.mutex = new Mutex(port, at, isDead);
    this.#port = port;
    this.#done = at + DONE;
  }

  /** Any thread. Pairs with the store in end(): what was done is seen. */
  get done(): boolean {
    return this.#port.load(this.#done) !== 0;
  }

  /** Waits until it is done, or this thread is to do it: then end() follows. Threads that may sleep. */
  begin(owner: number, timeoutMs: number = FOREVER): Turn {
    if (this.done) return Turn.DONE;
    return this.mutex.lock(owner, timeoutMs) ? this.decide() : Turn.TIMED_OUT;
  }

  /** Who has locked the mutex: what to do. */
  decide(): Turn {
    if (!this.done) return Turn.DO_IT;
    this.mutex.unlock();
    return Turn.DONE;
  }

  /** It is done, or, if it failed, the next one's turn. */
  end(succeeded: boolean): void {
    if (succeeded) this.#port.store(this.#done, 1);
    this.mutex.unlock();
  }
}
