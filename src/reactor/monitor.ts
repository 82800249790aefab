/**
 * The monitor: a thread that runs no handlers and ticks about once a millisecond while anybody is awake. It makes good
 * on every wake-up that was put off: if a hint has waited for a whole tick, it wakes one worker, or the poller if none is
 * parked. If the limit is reached, workers that sleep in their handlers give up their places first (sleepers.ts). It also
 * keeps the time: the coarse clock, and what is due (timekeeper.ts). A pool of one thread has no monitor before its first
 * timeout.
 *
 * It sleeps by announce, look again, sleep, after QUIET_MS without anything to see; startMonitor() ends that, or the
 * earliest timeout.
 */
import { Config, Counter, Word } from '../slots/layout.ts';
import { PoolPhase } from '../slots/memory.ts';
import { blindWatch, type Watch } from './sleepers.ts';
import { type Dispatcher, type DispatcherMemory, MonitorState } from './dispatcher.ts';

const TICK_MS = 1;
/** Quiet time before it sleeps: well below 100 ms, after which an idle pool makes no system call. */
const QUIET_MS = 25;
/** Ticks after which work that nobody attends to is a lost wake-up, and not a thread that waits for a CPU. */
const LOST_TICKS = 100;
const FOREVER = Number.POSITIVE_INFINITY;

/** What the monitor saw at a tick: positions of the ring, and whether hints wait outside of it. */
export type Sight = { readonly head: number; readonly tail: number; readonly overflowed: boolean };

/** Whether a hint that was there at the tick before is still there. Positions wrap. Pure. */
export function waitedThroughTick(before: Sight, now: Sight): boolean {
  return ((before.tail - now.head) | 0) > 0 || (before.overflowed && now.overflowed);
}

/** The time as the monitor keeps it. */
export type MonitorTime = {
  /** Does what is due. True if that has made work for the pool. At each tick, and when a rest is over. */
  run(): boolean;
  /** The monitor is about to rest: how long it may, in milliseconds. 0: something has come to be looked at. */
  rest(): number;
};
const TIMELESS: MonitorTime = { run: () => false, rest: () => FOREVER };

export class Monitor {
  readonly #dispatcher: Dispatcher;
  readonly #memory: DispatcherMemory;
  /** Called when hints wait, nobody is parked and the limit has room: more threads would help. */
  readonly #onShort: () => void;
  readonly #watch: Watch;
  readonly #time: MonitorTime;
  #unattended = 0;
  readonly #workers: number;
  /** Where each worker's mailbox was at the last tick, undefined if it was empty. */
  readonly #mail: (number | undefined)[] = [];

  constructor(
    dispatcher: Dispatcher,
    onShort: () => void,
    watch: Watch = blindWatch,
    time: MonitorTime = TIMELESS,
  ) {
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#workers = dispatcher.memory.config(Config.MAX_THREADS);
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
    let before = this.#look();
    let busyAt = performance.now();
    while (!this.#isStopping) {
      port.wait(Word.MONITOR, MonitorState.AWAKE, TICK_MS);
      port.add(Word.TICK, 1);
      this.#time.run();
      const now = this.#look();
      this.#watch.tick(this.#dispatcher.runnable.bits);
      if (waitedThroughTick(before, now)) this.wakeOne();
      else this.#unattended = 0;
      this.mindMail();
      before = now;
      // By the clock: on a busy machine ticks come late.
      const time = performance.now();
      if (!this.#isQuiet) busyAt = time;
      else if (time - busyAt >= QUIET_MS) {
        this.rest();
        busyAt = performance.now();
      }
    }
  }

  #look(): Sight {
    const { ring } = this.#memory;
    // The head first: a tail that is read later can only make more hints look new.
    const head = ring.headPosition;
    return { head, tail: ring.tailPosition, overflowed: !this.#dispatcher.overflow.isEmpty };
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

  /** Mail that has waited through a tick: wakes its worker, or sees to it that it gets a place. Once a tick. */
  mindMail(): void {
    const { limit, runnable, mail } = this.#dispatcher;
    for (let worker = 0; worker < this.#workers; worker++) {
      const { boxes } = mail;
      const position = boxes.isEmpty(worker) || !boxes.isOpen(worker) ? undefined : boxes.positionOf(worker);
      const waited = position !== undefined && position === this.#mail[worker];
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
      // Look again: who came before the store has started nobody. wait() re-reads the word.
      if (!this.#isQuiet || this.#isStopping) break;
      const restMs = this.#time.rest();
      if (restMs > 0 && port.wait(Word.MONITOR, MonitorState.ASLEEP, restMs) !== 'timed-out') break;
    } while (!this.#time.run());
    port.store(Word.MONITOR, MonitorState.AWAKE);
  }

  get #isQuiet(): boolean {
    const { runnable, hasMail } = this.#dispatcher;
    return runnable.bits === 0 && !this.#dispatcher.hasWork() && !hasMail;
  }

  get #isStopping(): boolean {
    return this.#memory.port.load(Word.PHASE) === PoolPhase.CLOSED;
  }
}
