/**
 * Asking the kernel. Whoever holds the poll hint waits for a batch of events and delivers them to their slots.
 *
 * The batch lies in shared memory and an entry is cleared once it was delivered: if the poller vanishes, the supervisor
 * delivers the rest, which the kernel has forgotten (edges and oneshots are reported once).
 */
import { Errno, type Native } from '../native/index.ts';
import { BATCH_EVENTS, Config, Counter } from '../slots/layout.ts';
import { NO_EVENT, type PoolMemory } from '../slots/memory.ts';
import { Outcome } from '../slots/table.ts';
import { type PoolDispatcher, OwnEvent } from './dispatcher.ts';
import { Leftovers } from './leftovers.ts';
import { enqueue } from './queueing.ts';

/** Folds epoll's bits into the six of a slot word: RDHUP (0x2000) becomes 32, the lower five keep their places. */
export function readyFromEpoll(bits: number): number {
  return (bits & 31) | ((bits & 0x2000) >> 8);
}

/** The reverse of readyFromEpoll. */
export function epollFromReady(ready: number): number {
  return (ready & 31) | ((ready & 32) << 8);
}

export class Poller {
  readonly #dispatcher: PoolDispatcher;
  readonly #memory: PoolMemory;
  readonly #native: Native;
  /** Of the batch. Asked for by who polls: memory that has an address is kept until the thread ends. */
  #address: number | undefined;
  readonly #set: number;
  readonly #leftovers = new Leftovers();
  readonly #onLeftover: () => void;
  /** Set once the stop descriptor was seen. */
  stopped = false;

  /** `onLeftover` is called when a registration that has ended goes on reporting events. */
  constructor(dispatcher: PoolDispatcher, onLeftover: () => void = () => {}) {
    this.#onLeftover = onLeftover;
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#native = dispatcher.native;
    this.#set = this.#memory.config(Config.EPOLL_FD);
  }

  /** One epoll_wait. Returns how many hints it pushed. */
  poll(timeoutMs: number): number {
    return this.deliverBatch(this.wait(timeoutMs));
  }

  /** One epoll_wait. Returns how many entries of the batch are to be delivered. */
  wait(timeoutMs: number): number {
    this.#memory.count(Counter.POLLS);
    this.#address ??= this.#native.adopt(this.#memory.buffers.control) + this.#memory.layout.batch * 4;
    const count = this.#native.epollWait(this.#set, this.#address, BATCH_EVENTS, timeoutMs);
    if (count < 0 && count !== Errno.EINTR) this.stopped = true;
    return Math.max(count, 0);
  }

  /** Delivers the first `count` entries of the batch. The poller, or the supervisor of a dead one. */
  deliverBatch(count: number): number {
    const { words, slots, layout } = this.#memory;
    const { stride, index: indexAt, generation: generationAt } = this.#native.events;
    let pushed = 0;
    for (let i = 0; i < count; i++) {
      const at = layout.batch + i * stride;
      const index = words[at + indexAt] ?? NO_EVENT;
      if (index >= 0 && index < layout.maxFds) {
        const generation = words[at + generationAt] ?? 0;
        const outcome = slots.deliver(index, generation, readyFromEpoll(words[at] ?? 0));
        if (outcome === Outcome.PUSH) {
          if (enqueue(this.#dispatcher, index)) pushed++;
        } else if (outcome === Outcome.REFUSED) {
          this.#refused(index, generation);
        }
      } else if (index === OwnEvent.STOP) {
        this.stopped = true;
      }
      words[at + indexAt] = NO_EVENT;
    }
    return pushed;
  }

  #refused(index: number, generation: number): void {
    this.#memory.count(Counter.STALE);
    // One that is closing is not over.
    if (this.#memory.slots.isOf(index, generation)) return;
    if (this.#leftovers.note(index, generation, performance.now())) this.#onLeftover();
  }
}
