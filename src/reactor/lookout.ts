/**
 * What workers do so that the monitor need not tick. A tick takes an interrupt and two switches of a thread, 20 to 35 us in
 * a virtual machine: at one a millisecond that was 3.6 % of an echo server's CPU time, to see that all is well. So a
 * worker that runs looks itself, about once a millisecond, between two turns; if all is well it sets the monitor's alarm to
 * PUT_OFF_MS from then: one system call of 1.5 us. (The alarm is a timer of the kernel; the monitor waits for it.)
 *
 * K1  All is well if every hint that waited at the look before is taken, and nothing waits that only the monitor sees to: new
 *     timeouts, mail for a worker that does not run, hints outside of the ring. So nothing is put off twice.
 *     Right after anybody's look a hint that waits tells nothing: then it is too early for another one.
 * K2  A worker in a long turn does not look: the alarm goes off PUT_OFF_MS after its last look at the latest. One that finds
 *     something amiss looks no more until the monitor has, or another worker finds all well.
 * K3  Nobody looks while he holds the poll hint: it is among the hints that wait, or another worker polls.
 * K4  Where all threads that the pool may have run, nobody could be woken: then hints may wait.
 */
import { Config, Word } from '../slots/layout.ts';
import type { Dispatcher } from './dispatcher.ts';

/** Between two looks of a worker. */
export const LOOK_MS = 1;
/** How long the alarm is put off: a hint waits at most so long behind a turn that is suddenly slow. */
export const PUT_OFF_MS = 1.75;
/** Less than a tick: of the monitor's looks too some are to be followed by a worker's. */
const RECENT_MS = 0.75;

export class Lookout {
  readonly #dispatcher: Dispatcher;
  readonly #everybody: number;
  #nextAt = 0;
  /** The last look when it found something amiss: it leaves that to the monitor, or to another worker. */
  #amiss: number | undefined;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
    const threads = dispatcher.memory.config(Config.MAX_THREADS);
    this.#everybody = threads === 32 ? -1 : (1 << threads) - 1;
  }

  /** A worker's look, between two turns, if it is time for one. `now` is performance.now(). */
  look(now: number): void {
    if (now < this.#nextAt || !this.#dispatcher.monitored) return;
    const { sight } = this.#dispatcher;
    if (sight.at === this.#amiss) return;
    const { sinceMs } = sight;
    if (sinceMs >= 0 && sinceMs < RECENT_MS) {
      this.#nextAt = now + RECENT_MS - sinceMs;
      return;
    }
    if (!this.#isWell) {
      this.#amiss = sight.at;
      return;
    }
    this.#nextAt = now + LOOK_MS;
    sight.take();
    this.#dispatcher.setAlarm(PUT_OFF_MS);
  }

  get #isWell(): boolean {
    const { memory, overflow, runnable, sight } = this.#dispatcher;
    const { bits } = runnable;
    if (memory.port.load(Word.MARKED) !== 0 || !overflow.isEmpty || this.#dispatcher.mailWaits(bits))
      return false;
    return bits === this.#everybody || !sight.stillWaits;
  }
}
