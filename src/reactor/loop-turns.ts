/**
 * The worker's own event loop beside the reactor. Handlers may start promises, timers and I/O; they make progress only
 * if the event loop gets its turn, so the reactor runs in a macrotask, gives the loop a turn when it must, and does not
 * sleep on the pool alone while user code has something open.
 *
 * L1  Ticks and microtasks are run before every wait, and after each handler that returned a promise.
 * L2  "Open" means: a pending async handler, a request under way in libuv, or more active resources than the thread had
 *     before the handler module was loaded. (150 ns, asked only before a wait that follows user code.) Unreferenced
 *     timers and handles do not count; they get their turn while the worker is awake.
 * L3  While something is open the worker waits on an epoll set that holds libuv's backend descriptor too, for at most
 *     the time to libuv's next timer, and gives the loop a turn when that wakes it.
 */
import { Epoll, EpollOp, type EventLoop, type Native, openEventLoop, type Region } from '../native/index.ts';

/** Undocumented but long-lived: runs nextTicks and microtasks now (28 ns). Without it the loop gets a whole turn. */
const tickCallback = Reflect.get(process, '_tickCallback') as (() => void) | undefined;

/** Longest wait while something is open and libuv's descriptor cannot be had. */
const STEP_MS = 1;
const EVENTS = 4;
const LOOP_EVENT = -4;
/** Longest time between two turns of the event loop while the pool is busy and nothing is known to be open. */
const LONGEST_GAP_MS = 50;
/** The same while something is open. */
const OPEN_GAP_MS = 1;

/** Requests of libuv, as Node names them: FSReqCallback, CloseReq and the like. */
const isRequest = (name: string): boolean => name.includes('Req');
const BASELINE_TURNS = 100;

export class LoopTurns {
  /** Async handlers that have not settled. */
  pendingHandlers = 0;
  readonly #native: Native;
  readonly #loop: EventLoop | undefined = openEventLoop();
  readonly #events: Region;
  readonly #words: Int32Array;
  #baseline = process.getActiveResourcesInfo().length;
  #ranUserCode = true;
  #open = false;
  #lastTurn = 0;

  constructor(native: Native) {
    this.#native = native;
    this.#events = native.memory(EVENTS * 16);
    this.#words = new Int32Array(this.#events.bytes.buffer, this.#events.bytes.byteOffset, EVENTS * 4);
  }

  /**
   * Takes what is active now as the thread's own, as soon as requests that the loading of this thread has left are over (a
   * file that is being closed is one). Before the handler module is loaded.
   */
  async takeBaseline(): Promise<void> {
    for (let turns = 0; turns < BASELINE_TURNS && process.getActiveResourcesInfo().some(isRequest); turns++)
      await new Promise((resolve) => setImmediate(resolve));
    this.#baseline = process.getActiveResourcesInfo().length;
  }

  /** User code has run: it may have opened something. */
  noteUserCode(): void {
    this.#ranUserCode = true;
  }

  /** Runs what user code has queued for "right after this". */
  runMicrotasks(): void {
    tickCallback?.();
  }

  /** The event loop has just had a turn. */
  noteTurn(): void {
    this.#lastTurn = performance.now();
    this.#ranUserCode = true;
    this.#open = this.#look();
    this.#ranUserCode = false;
  }

  /** Whether the loop must have a turn before the worker waits. */
  owesTurnBeforeWait(): boolean {
    if (!this.#ranUserCode) return false;
    if (tickCallback === undefined) return true;
    tickCallback();
    this.#open = this.#look();
    if (this.#open) return true;
    this.#ranUserCode = false;
    return false;
  }

  /** Whether the loop should have a turn although there is work. Asked every few handlers. */
  owesTurnWhileBusy(): boolean {
    const gap = performance.now() - this.#lastTurn;
    if (gap >= LONGEST_GAP_MS) return true;
    return gap >= OPEN_GAP_MS && (this.#open || this.pendingHandlers > 0);
  }

  /** Not all requests are resources that Node lists: the crypto functions' are not. */
  #look(): boolean {
    if (this.pendingHandlers > 0 || (this.#loop?.requests ?? 0) > 0) return true;
    return process.getActiveResourcesInfo().length > this.#baseline;
  }

  /** Whether user code has something open, as of the last look. */
  get open(): boolean {
    return this.#open || this.pendingHandlers > 0;
  }

  /** Adds libuv's descriptor to a set of this worker's, so that both can be waited for together. */
  join(set: number): void {
    const backend = this.#loop?.backendFd;
    if (backend !== undefined) this.#native.epollControl(set, EpollOp.ADD, backend, Epoll.IN, LOOP_EVENT, 0);
  }

  /**
   * Waits on a set that has been joined. True if the event loop must have its turn now: it has I/O, or a timer is due.
   */
  wait(set: number): boolean {
    const timeout = this.#loop === undefined ? STEP_MS : this.#loop.timeoutMs();
    const count = this.#native.epollWait(set, this.#events.address, EVENTS, timeout);
    if (count <= 0) return true;
    const { stride, index } = this.#native.events;
    for (let i = 0; i < count; i++) if (this.#words[i * stride + index] === LOOP_EVENT) return true;
    return this.#loop === undefined;
  }
}
