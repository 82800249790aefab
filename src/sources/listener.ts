/**
 * Listening sockets: accepting is a turn of the listener's slot in some worker, so that one worker at a time accepts and
 * nobody is woken in vain.
 *
 * Without room (maxConnections, EMFILE, ENFILE) the listener falls silent: connections wait in the kernel's backlog, no
 * loop turns. It looks again when one of its connections ends, and every RETRY_MS, since descriptors may become free
 * elsewhere.
 */
import { Errno } from '../native/index.ts';
import type { Source } from '../reactor/source.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { Counter } from '../slots/layout.ts';
import { handlerOf, HOME_OF_EACH, homeOf, isDisabled, Kind, NO_HOME, Trait } from '../slots/record.ts';
import { Flag, flagsOf, READY_NONE, Ready } from '../slots/word.ts';
import type { ConnectionSource } from './connection-source.ts';
import { enterTurn, leaveTurn, type WorkerContext } from './context.ts';

/** Connections accepted in one turn; then the listener goes to the tail. */
const BUDGET = 64;
const RETRY_MS = 100;
const TELL_AGAIN_MS = 1000;

/** Errors of accept4 that concern one connection: go on with the next. (accept(2), "Error handling".) */
const PASSING = new Set<number>([
  Errno.ECONNABORTED,
  Errno.EINTR,
  Errno.EPROTO,
  Errno.EPERM,
  Errno.ENETDOWN,
  Errno.ENETUNREACH,
  Errno.EOPNOTSUPP,
]);

const Stop = {
  /** All pending connections were accepted. */
  DRAINED: 0,
  /** The budget is spent; more may wait. */
  BUDGET: 1,
  /** No room; wait for it. */
  STARVED: 2,
} as const;
type Stop = (typeof Stop)[keyof typeof Stop];

export class ListenerSource implements Source {
  readonly #context: WorkerContext;
  readonly #connections: ConnectionSource;
  readonly #onStarved: (fd: number, errno: number) => void;
  /** Generations of the listeners whose retry timer runs, by descriptor: the number may be another listener's by then. */
  readonly #retries = new Map<number, number>();
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    context: WorkerContext,
    connections: ConnectionSource,
    onStarved: (fd: number, errno: number) => void,
  ) {
    this.#context = context;
    this.#connections = connections;
    this.#onStarved = onStarved;
  }

  turn(index: number, claimed: number): void {
    const { memory, strands } = this.#context;
    enterTurn(this.#context, index);
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      leaveTurn(this.#context, index);
      if (strands.beginEnd(index)) strands.end(index, false);
      return;
    }
    if (isDisabled(memory.records.mailbox(index))) {
      leaveTurn(this.#context, index);
      strands.finish(index, Ready.IN, Ready.IN, true);
      return;
    }
    const stop = this.#accept(index);
    leaveTurn(this.#context, index);
    // Silent while starved: a request (room, or the retry timer) ends that, and the turn tries whatever the bits say.
    const leftover = stop === Stop.BUDGET ? Ready.IN : READY_NONE;
    strands.finish(index, leftover, Ready.IN, stop === Stop.STARVED);
  }

  #accept(index: number): Stop {
    const { memory, native } = this.#context;
    const generation = memory.slots.generation(index);
    for (let accepted = 0; accepted < BUDGET;) {
      if (this.#isFull(index)) {
        memory.records.starve(index);
        // Look again: a connection that ended before the mark was seen asks for nothing.
        if (this.#isFull(index)) return Stop.STARVED;
      }
      const fd = native.accept(index);
      if (fd >= 0) {
        this.#open(index, generation, fd);
        accepted++;
      } else if (fd === Errno.EAGAIN) {
        return Stop.DRAINED;
      } else if (PASSING.has(fd)) {
        accepted++;
      } else {
        return this.#pause(index, generation, fd);
      }
    }
    return Stop.BUDGET;
  }

  /** `maxConnections` is the lower half of the listener's cookie: 0 means any number. The upper half is its connections' group. */
  #isFull(index: number): boolean {
    const { records } = this.#context.memory;
    const most = records.cookieLow(index);
    return most !== 0 && records.connections(index) >= most;
  }

  /** Opens an accepted connection. One that the pool has no room for is closed, and that is told once in a while. */
  #open(listener: number, generation: number, fd: number): void {
    const { memory, registrar } = this.#context;
    const config = memory.records.config(listener);
    const group = memory.records.cookieHigh(listener);
    const inherited = config & (Trait.EDGE | Trait.HALF_OPEN | Trait.NOT_TCP);
    const limits = (config & Trait.TIMED) === 0 ? undefined : memory.timeouts.template(listener);
    const index = registrar.adopt(fd, {
      handler: handlerOf(config),
      kind: Kind.CONNECTION,
      traits: inherited | Trait.OWN | Trait.STREAM,
      events: Ready.IN,
      cookie: 0n,
      listener: { index: listener, generation },
      group,
      limits,
      sticky: homeOf(config) === HOME_OF_EACH,
    });
    if (index < 0) {
      this.#tell(listener, index);
      return;
    }
    memory.count(Counter.ACCEPTED);
    const home = memory.homes.of(index);
    // In a group it opens when it is its turn, in another worker there.
    if (group === NO_GROUP && (home === NO_HOME || home === this.#context.worker))
      this.#connections.open(index);
    else this.#context.strands.handOver(index, Ready.IN, true);
  }

  #tell(listener: number, errno: number): void {
    const now = performance.now();
    if (now - this.#toldAt < TELL_AGAIN_MS) return;
    this.#toldAt = now;
    this.#onStarved(listener, errno);
  }

  /** No descriptors or no memory: the listener falls silent for a while. */
  #pause(index: number, generation: number, errno: number): Stop {
    this.#context.memory.records.starve(index);
    this.#tell(index, errno);
    if (this.#retries.get(index) === generation) return Stop.STARVED;
    this.#retries.set(index, generation);
    setTimeout(() => {
      if (this.#retries.get(index) === generation) this.#retries.delete(index);
      this.#context.strands.request(index, generation, Flag.CONTROL);
    }, RETRY_MS);
    return Stop.STARVED;
  }
}
