/**
 * The monitor: a thread that runs no handlers and ticks about once a millisecond while anybody is awake. It makes good
 * on every wake-up that was put off: if hints wait and the head of the ring has stood still for a whole tick, it wakes
 * one worker, or the poller if none is parked. A pool of one thread has no monitor.
 *
 * It sleeps by announce, look again, sleep, after IDLE_TICKS ticks without anything to see; startMonitor() ends that.
 */
import { Config, Counter, Word } from '../slots/layout.ts';
import { type PoolMemory, PoolPhase } from '../slots/memory.ts';
import { type Dispatcher, MonitorState } from './dispatcher.ts';

const TICK_MS = 1;
/** Idle ticks before it sleeps: below 100 ms, after which an idle pool makes no system call. */
const IDLE_TICKS = 25;
/** Ticks for which a hint that nobody seems to know of may wait before it counts as forgotten. */
const UNNOTICED_TICKS = 10;
const FOREVER = Number.POSITIVE_INFINITY;

/** What the monitor saw at a tick. */
export type Sight = { readonly hints: boolean; readonly head: number };

/** Whether somebody must be woken: hints waited through a whole tick and nobody took one. Pure. */
export function stuck(before: Sight, now: Sight): boolean {
  return before.hints && now.hints && before.head === now.head;
}

export class Monitor {
  readonly #dispatcher: Dispatcher;
  readonly #memory: PoolMemory;
  /** Called when hints wait, nobody is parked and the limit has room: more threads would help. */
  readonly #onShort: () => void;
  #unnoticed = 0;

  constructor(dispatcher: Dispatcher, onShort: () => void) {
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#onShort = onShort;
  }

  /** Runs until the pool is stopped. */
  run(): void {
    const { port } = this.#memory;
    let before: Sight = { hints: false, head: 0 };
    let idle = 0;
    while (this.#memory.phase !== PoolPhase.CLOSED) {
      port.wait(Word.MONITOR, MonitorState.AWAKE, TICK_MS);
      port.add(Word.TICK, 1);
      const now = this.#look();
      if (stuck(before, now)) this.#rescue(now.head);
      else this.#unnoticed = 0;
      before = now;
      idle = now.hints || this.#dispatcher.runnable.bits !== 0 ? 0 : idle + 1;
      if (idle > IDLE_TICKS) {
        this.#sleep();
        idle = 0;
      }
    }
  }

  #look(): Sight {
    return { hints: this.#dispatcher.hasWork(), head: this.#memory.ring.headPosition };
  }

  #rescue(head: number): void {
    const { runnable, lot, concurrency, pollerWaits } = this.#dispatcher;
    const { port } = this.#memory;
    // Nobody runs, nobody was woken, and the poller sleeps over work: no put-off explains that. Either its pusher has
    // not come to the waking yet (it may have lost its CPU in between), or a wake-up was lost; time tells which.
    if (runnable.bits === 0 && pollerWaits && port.load(Word.SEARCHER) === 0 && this.#lies(head)) {
      if (++this.#unnoticed < UNNOTICED_TICKS) return;
      this.#memory.count(Counter.RESCUED);
    }
    this.#unnoticed = 0;
    if (runnable.size >= concurrency) return;
    if (lot.wakeNewest() || this.#dispatcher.kickPoller()) this.#memory.count(Counter.WAKES_SENT);
    else if (runnable.size < Math.min(concurrency, this.#memory.config(Config.MAX_THREADS))) this.#onShort();
  }

  /** Look again: in the meantime somebody may have taken the hint, run it and gone to sleep. */
  #lies(head: number): boolean {
    const now = this.#look();
    return now.hints && now.head === head;
  }

  #sleep(): void {
    const { port } = this.#memory;
    port.store(Word.MONITOR, MonitorState.ASLEEP);
    // Look again: who came before the store has started nobody. wait() re-reads the word.
    const quiet = this.#dispatcher.runnable.bits === 0 && !this.#dispatcher.hasWork();
    if (quiet && this.#memory.phase !== PoolPhase.CLOSED)
      port.wait(Word.MONITOR, MonitorState.ASLEEP, FOREVER);
    port.store(Word.MONITOR, MonitorState.AWAKE);
  }
}
