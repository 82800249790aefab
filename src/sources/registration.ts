/** A registration as users hold it: in the main thread or in a worker, the same operations. */
import { untilAborted } from '../abort.ts';
import { makeError, show } from '../errors.ts';
import type { Strands } from '../reactor/strands.ts';
import { SlotWord } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Cause, eventsOf, Kind, kindOf, type SlotRecords } from '../slots/record.ts';
import { MAX_USER_VALUE, Merge, Posted } from '../slots/user.ts';
import { Flag, isGeneration, Ready, State, stateOf } from '../slots/word.ts';
import { checkNames } from '../options.ts';
import { checkDetail } from './arguments.ts';

const MAX_DELAY_MS = 2 ** 31 - 1;

export type EventName = 'in' | 'out' | 'pri';

/** Names a registration for another thread: plain data, never reused. */
export type RegistrationId = { readonly fd: number; readonly generation: number };

const BITS: Readonly<Record<EventName, number>> = { in: Ready.IN, out: Ready.OUT, pri: Ready.PRI };

/** Ready bits for event names. @throws ERR_WAKEONE_INVALID_EVENTS */
export function parseEvents(events: unknown): number {
  if (!Array.isArray(events) || events.length === 0)
    throw makeError('ERR_WAKEONE_INVALID_EVENTS', show(events));
  let bits = 0;
  for (const name of events as unknown[]) {
    if (name !== 'in' && name !== 'out' && name !== 'pri') {
      throw makeError('ERR_WAKEONE_INVALID_EVENTS', show(events));
    }
    bits |= BITS[name];
  }
  return bits;
}

export class Registration {
  /** The registered descriptor. */
  readonly fd: number;
  /** This registration's generation: no other registration of this fd number has it. */
  readonly generation: number;
  readonly #memory: PoolMemory;
  readonly #strands: Strands;

  constructor(memory: PoolMemory, strands: Strands, fd: number, generation: number) {
    this.#memory = memory;
    this.#strands = strands;
    this.fd = fd;
    this.generation = generation;
  }

  /** Whether it is of the pool with this memory. Internal. */
  isOf(memory: PoolMemory): boolean {
    return this.#memory.buffers.control === memory.buffers.control;
  }

  /** Plain data that names this registration in any thread of the pool. */
  get id(): RegistrationId {
    return { fd: this.fd, generation: this.generation };
  }

  /** Whether the registration has not ended. It may end at any moment. Any thread. */
  get active(): boolean {
    return this.#memory.slots.isLive(this.fd, this.generation);
  }

  /** The events that are asked for now; none if the registration has ended. Any thread. */
  get events(): EventName[] {
    if (!this.active) return [];
    const bits = eventsOf(this.#memory.records.mailbox(this.fd));
    return (Object.keys(BITS) as EventName[]).filter((name) => (bits & BITS[name]) !== 0);
  }

  /**
   * Changes the events that are delivered. Any thread; takes effect at the next turn of the registration, and then no
   * event outside of `events` is delivered (errors and hang-ups always are). The condition is tested anew.
   * @throws ERR_WAKEONE_INVALID_EVENTS, ERR_WAKEONE_INVALID_OPTION
   * @throws ERR_WAKEONE_STALE_REGISTRATION if the registration has ended
   */
  modify(change: { readonly events: readonly EventName[] }): void {
    checkNames(change, { events: true });
    const bits = parseEvents(change.events);
    this.#ask((records) => records.askEvents(this.fd, this.generation, bits));
  }

  /**
   * Stops deliveries until `enable()`. Any thread; idempotent. A handler that runs is not interrupted; a queued event is
   * not delivered. Nothing is lost: `enable()` tests the condition again.
   * @throws ERR_WAKEONE_STALE_REGISTRATION
   */
  disable(): void {
    this.#ask((records) => records.disable(this.fd, this.generation));
  }

  /**
   * Ends `disable()`, and what the handler itself held back: re-arms after a delivery that was not re-armed, and ends the
   * `pause()` of a connection. Any thread; idempotent. @throws ERR_WAKEONE_STALE_REGISTRATION
   */
  enable(): void {
    this.#ask((records) => records.enable(this.fd, this.generation));
  }

  /**
   * Delivers `bits` to the registration's own handler: `event.value` of a bare descriptor, the `trigger` handler of a
   * connection. Any thread. Bits of calls that come before the delivery are merged by OR; while the registration is
   * disabled they wait.
   * @param bits 1 to 2^23 - 1
   * @throws ERR_WAKEONE_INVALID_ARGUMENT; ERR_WAKEONE_HANDLER_KIND for a listener
   * @throws ERR_WAKEONE_STALE_REGISTRATION if the registration has ended
   */
  trigger(bits: number): void {
    const value = checkPosted('bits', bits);
    const { users, records } = this.#memory;
    const kind = kindOf(records.config(this.fd));
    if (this.active && (kind === Kind.LISTENER || kind === Kind.TIMER))
      throw makeError('ERR_WAKEONE_HANDLER_KIND', 'trigger()', 'a registration with a handler for it');
    if (!this.active || users.post(this.fd, this.generation, Merge.OR, value) === Posted.STALE)
      throw makeError('ERR_WAKEONE_STALE_REGISTRATION', String(this.fd));
    this.#strands.posted(this.fd, this.generation);
  }

  /**
   * Forces one last delivery, after which the registration is over: `close` for connections, an event with `last` for
   * bare descriptors, with the reason `{ type: 'teardown', detail }`. Any thread, any number of times, also while the
   * handler runs (which is not interrupted). Resolves when the last delivery is over; at once if it is over already.
   * A handler of the same registration must not wait for it: it would wait for itself, until its grace time is over.
   * @param detail an application's number, 0 to 65535
   * @param options.signal gives up waiting, not the teardown
   * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_ABORTED
   */
  async teardown(detail = 0, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.force(Cause.TEARDOWN, checkDetail(detail));
    await untilAborted(this.ended(), options.signal, 'teardown()');
  }

  /** Asks for the end without waiting for it. Any thread. */
  force(cause: Cause, detail = 0): void {
    const { records, slots } = this.#memory;
    if (!slots.isLive(this.fd, this.generation)) return;
    if (!records.giveReason(this.fd, this.generation, cause, detail)) return;
    this.#strands.request(this.fd, this.generation, Flag.FORCED);
  }

  /** Resolves when the last delivery is over and the descriptor is closed (if it is the pool's to close). Any thread. */
  async ended(): Promise<void> {
    if (!this.#isGoingOn()) return;
    // Atomics.waitAsync is nothing that a thread's event loop waits for; in a worker only what is open gets it a turn.
    const open = setInterval(() => {}, MAX_DELAY_MS);
    try {
      await this.#untilEnded();
    } finally {
      clearInterval(open);
    }
  }

  async #untilEnded(): Promise<void> {
    const { words, layout, slots } = this.#memory;
    const at = layout.slot(this.fd) + SlotWord.GENERATION;
    // A free slot that still has this generation was never registered with it: there is no end to wait for.
    while (slots.generation(this.fd) === this.generation && slots.state(this.fd) !== State.FREE) {
      const { value } = Atomics.waitAsync(words, at, this.generation);
      await value;
    }
    // The generation ends just before the descriptor is closed; the state tells when that is done.
    while (this.#isGoingOn()) await new Promise((resolve) => setImmediate(resolve));
  }

  #isGoingOn(): boolean {
    const { slots } = this.#memory;
    const word = slots.word(this.fd);
    // A free slot of this generation: the one that the handle names has not begun, and never may.
    if (slots.generation(this.fd) === this.generation) return stateOf(word) !== State.FREE;
    return isGeneration(word, this.generation) && stateOf(word) === State.CLOSING;
  }

  #ask(change: (records: SlotRecords) => boolean): void {
    // The mailbox knows 13 bits of the generation, `active` all of them: so it is asked first.
    if (!this.active || !change(this.#memory.records))
      throw makeError('ERR_WAKEONE_STALE_REGISTRATION', String(this.fd));
    // Too late for that if a turn that was going on has seen the change already, and was the last.
    this.#strands.request(this.fd, this.generation, Flag.CONTROL);
  }
}

export const isPostable = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_USER_VALUE;

/** A value that may be posted. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function checkPosted(name: string, value: unknown): number {
  if (isPostable(value)) return value;
  throw makeError(
    'ERR_WAKEONE_INVALID_ARGUMENT',
    name,
    `an integer from 1 to ${MAX_USER_VALUE}`,
    show(value),
  );
}

/** @throws ERR_WAKEONE_INVALID_FD */
export function checkNumber(fd: unknown, memory: PoolMemory): asserts fd is number {
  const most = memory.layout.maxFds - 1;
  if (typeof fd === 'number' && Number.isInteger(fd) && fd >= 0 && fd <= most) return;
  throw makeError('ERR_WAKEONE_INVALID_FD', show(fd), `${most}`);
}

/** A registration of the pool by its id. @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_INVALID_FD */
export function registrationById(memory: PoolMemory, strands: Strands, id: RegistrationId): Registration {
  if (typeof id !== 'object' || id === null || !Number.isInteger(id.generation)) {
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      'id',
      'the id of a registration, { fd, generation }',
      show(id),
    );
  }
  checkNumber(id.fd, memory);
  return new Registration(memory, strands, id.fd, id.generation);
}
