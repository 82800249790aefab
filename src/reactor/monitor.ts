/**
 * The monitor: a thread that runs no handlers and looks whether work waits too long. It makes good on every wake-up that was
 * put off: if a hint has waited since the last look, or nobody has come to look, it wakes one worker, or the poller if none is
 * parked. If the limit is reached, workers that sleep in their handlers give up their places first (sleepers.ts). It also
 * keeps the time: the coarse clock, and what is due (timekeeper.ts). A pool of one thread has no monitor before its first
 * timeout.
 *
 * It ticks once a millisecond while somebody is awake, unless a worker that finds all well puts the next tick off
 * (lookout.ts): a tick is the alarm going off, a timer of the kernel that any thread may set. With nothing to see it
 * sleeps, by announce, look again, sleep; startMonitor() ends that by setting the alarm, or the earliest timeout.
 */
import { Config, Counter, Word } from '../slots/layout.ts';
import { PoolPhase } from '../slots/memory.ts';
import { blindWatch, type Watch } from './sleepers.ts';
import { type Dispatcher, type DispatcherMemory, MonitorState, TICK_MS } from './dispatcher.ts';
import { PUT_OFF_MS } from './lookout.ts';

/** A look that is so recent says nothing about who waits. */
const RECENT_MS = 0.9 * TICK_MS;
/** From here on nobody has looked for long: nobody was there to look. */
const LONG_AGO_MS = 10;
/** Ticks after which work that nobody attends to is a lost wake-up, and not a thread that waits for a CPU. */
const LOST_TICKS = 100;
const FOREVER = Number.POSITIVE_INFINITY;

/**
 * Whether workers run and none has looked for as long as the alarm is put off: whoever could is in a long turn. Then it does
 * not matter for how long something waits. Pure.
 */
export function isForsaken(sinceMs: number, runnable: number): boolean {
  return runnable !== 0 && sinceMs >= 0.9 * PUT_OFF_MS && sinceMs < LONG_AGO_MS;
}

/** The time as the monitor keeps it. */
export type MonitorTime = {
  /** Does what is due. True if that has made work for the pool. At each tick, and when a rest is over. */
  run(): boolean;
  /** How long it may be left alone while somebody is awake, in milliseconds. */
  readonly patienceMs: number;
  /** The monitor is about to rest: how long it may, in milliseconds. 0: something has come to be looked at. */
  rest(): number;
};
const TIMELESS: MonitorTime = { run: () => false, patienceMs: FOREVER, rest: () => FOREVER };

export class Monitor {
  readonly #dispatcher: Dispatcher;
  readonly #memory: DispatcherMemory;
  /** Called when hints wait, nobody is parked and the limit has room: more threads would help. */
  readonly #onShort: () => void;
  readonly #watch: Watch;
  readonly #time: MonitorTime;
  readonly #wait: (ms: number) => void;
  /** Whether hints waited outside of the ring at the last tick. */
  #overflowed = false;
  #unattended = 0;
  readonly #workers: number;
  /** Where each worker's mailbox was at the last tick, undefined if it was empty. */
  readonly #mail: (number | undefined)[] = [];

  /** `wait` blocks until the alarm goes off, the pool is stopped or so many milliseconds are over. */
  constructor(
    dispatcher: Dispatcher,
    wait: (ms: number) => void,
    onShort: () => void,
    watch: Watch = blindWatch,
    time: MonitorTime = TIMELESS,
  ) {
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#workers = dispatcher.memory.config(Config.MAX_THREADS);
    this.#wait = wait;
    this.#onShort = onShort;
    this.#watch = watch;
    this.#time = time;
  }

  /** Runs until the pool is stopped. */
  run(): void {
    const { port } = this.#memory;
    port.store(Word.MONITOR, MonitorState.AWAKE);
    // The monitor before this one may have died between taking a bit away and asking for a look.
    this.#dispatcher.limit.askForReview();
    while (!this.#isStopping) {
      this.#time.run();
      this.#tick();
      if (this.#isQuiet) this.rest();
      else this.#wait(this.#time.patienceMs);
    }
  }

  #tick(): void {
    const { sight, overflow, runnable } = this.#dispatcher;
    const { sinceMs } = sight;
    if (sinceMs >= 0 && sinceMs < RECENT_MS) {
      // Somebody has looked on the way here, and may have died before he set the alarm.
      this.#dispatcher.setAlarm(PUT_OFF_MS - sinceMs);
      return;
    }
    const { bits } = runnable;
    const forsaken = isForsaken(sinceMs, bits);
    this.#watch.tick(bits, forsaken);
    const overflowed = !overflow.isEmpty;
    const waited = sight.stillWaits || (this.#overflowed && overflowed);
    if (waited || (forsaken && this.#dispatcher.hasWork())) this.wakeOne();
    else this.#unattended = 0;
    this.mindMail(forsaken);
    this.#overflowed = overflowed;
    sight.take();
    this.#dispatcher.setAlarm(TICK_MS);
  }

  /** A hint has waited for a whole tick: wakes one worker for it. */
  wakeOne(): void {
    const { limit, lot } = this.#dispatcher;
    if (this.#isUnattended()) {
      // Nobody runs, nobody was woken, and the poller sleeps over work: no put-off explains that, only a thread that was
      // preempted on its way. If it lasts, a wake-up was lost.
      this.#unattended++;
      if (this.#unattended < LOST_TICKS) return;
      this.#memory.count(Counter.RESCUED);
    }
    this.#unattended = 0;
    if (!limit.hasRoom) this.#relieve();
    if (!limit.hasRoom) return;
    if (lot.wakeNewest() || this.#dispatcher.kickPoller()) this.#memory.count(Counter.WAKES_SENT);
    else if (limit.hasRoom) this.#onShort();
  }

  /**
   * Mail that has waited through a tick, or all of it if nobody looked meanwhile: wakes its worker, or sees to it that it
   * gets a place. Once a tick.
   */
  mindMail(forsaken = false): void {
    const { limit, runnable, mail } = this.#dispatcher;
    for (let worker = 0; worker < this.#workers; worker++) {
      const { boxes } = mail;
      const position = boxes.isEmpty(worker) || !boxes.isOpen(worker) ? undefined : boxes.positionOf(worker);
      const waited = position !== undefined && (forsaken || position === this.#mail[worker]);
      this.#mail[worker] = position;
      // One that runs comes to it after its handler.
      if (!waited || (runnable.bits & (1 << worker)) !== 0) continue;
      if (!limit.hasRoom) this.#relieve();
      if (limit.hasRoom) {
        mail.rouse(worker);
      } else {
        mail.wait(worker);
        limit.askForReview();
      }
    }
  }

  /** Work waits, and as many workers run as may: those of them that sleep in a handler give up their places. */
  #relieve(): void {
    const { limit, runnable } = this.#dispatcher;
    let rest = this.#watch.sleepers(runnable.bits);
    for (; rest !== 0; rest &= rest - 1) {
      limit.revoke(31 - Math.clz32(rest & -rest));
      this.#memory.count(Counter.BLOCKED);
    }
  }

  #isUnattended(): boolean {
    const { runnable, pollerWaits } = this.#dispatcher;
    return runnable.bits === 0 && pollerWaits && this.#memory.port.load(Word.SEARCHER) === 0;
  }

  /** Sleeps until somebody starts the monitor or a timeout makes work, unless there is something to see after all. */
  rest(): void {
    const { port } = this.#memory;
    do {
      port.store(Word.MONITOR, MonitorState.ASLEEP);
      // Look again: who came before the store has set no alarm.
      if (!this.#isQuiet || this.#isStopping) break;
      const restMs = this.#time.rest();
      if (restMs > 0) this.#wait(restMs);
    } while (!this.#time.run());
    port.store(Word.MONITOR, MonitorState.AWAKE);
  }

  get #isQuiet(): boolean {
    const dispatcher = this.#dispatcher;
    return dispatcher.runnable.bits === 0 && !dispatcher.hasWork() && !dispatcher.mailWaits(0);
  }

  get #isStopping(): boolean {
    return this.#memory.port.load(Word.PHASE) === PoolPhase.CLOSED;
  }
}
