/**
 * User events: something that is posted by threads instead of being reported by the kernel. An event is a slot without a
 * descriptor; posts merge in its user word (slots/user.ts) and bring one turn of its handler.
 */
import { makeError, show } from '../errors.ts';
import { checkNames, choice, invalid } from '../options.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import type { Strands } from '../reactor/strands.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Poster } from '../slots/poster.ts';
import { Kind, kindOf, mergeOf, mergeTrait, Trait } from '../slots/record.ts';
import { MAX_USER_VALUE, Merge, Posted } from '../slots/user.ts';
import { READY_NONE, State } from '../slots/word.ts';
import type { PoolAccess } from './access.ts';
import { checkCookie, findHandler } from './add.ts';
import { type Group, type GroupId, groupRef } from './group.ts';
import { checkPosted, isPostable, Registration } from './registration.ts';

export type UserEventOptions = {
  /** Name of a handler that is a function; it is given an `FdEvent` whose `value` is what was posted. */
  readonly handler: string;
  /**
   * What becomes of posts that wait for the same delivery: 'or' (default) collects bits, 'add' sums, 'last' keeps the
   * newest, 'count' delivers each post by itself.
   */
  readonly merge?: 'or' | 'add' | 'last' | 'count';
  /** By which workers find the event: `userEvent(name)`. One to 64 bytes of UTF-8. */
  readonly name?: string;
  /** 64 bits of the user's, handed to the handler. */
  readonly cookie?: bigint | number;
  /** The group that it joins. */
  readonly group?: Group | GroupId;
};

/** Names a user event for another thread: plain data, never reused. */
export type UserEventId = { readonly source: number; readonly generation: number };

const OPTION_NAMES: Readonly<Record<keyof UserEventOptions, true>> = {
  handler: true,
  merge: true,
  name: true,
  cookie: true,
  group: true,
};
const MERGES = { or: Merge.OR, add: Merge.ADD, last: Merge.LAST, count: Merge.COUNT } as const;
const MAX_NAME_BYTES = 64;

export class UserEvent {
  readonly #strands: Strands;
  readonly #poster: Poster;
  readonly #registration: Registration;
  readonly #index: number;
  readonly #generation: number;
  readonly #merge: Merge;

  /** Use `pool.userEvent()`, or `userEvent()` in a worker. */
  constructor(memory: PoolMemory, strands: Strands, index: number, generation: number) {
    this.#strands = strands;
    this.#registration = new Registration(memory, strands, index, generation);
    this.#index = index;
    this.#generation = generation;
    this.#merge = mergeOf(memory.records.config(index));
    this.#poster = new Poster(memory.port, memory.layout, index, generation, this.#merge);
  }

  /** Plain data that names this event in any thread of the pool. */
  get id(): UserEventId {
    return { source: this.#index, generation: this.#generation };
  }

  /** What `group.add()` takes. Its `fd` is no descriptor, but the number of the source. */
  get registration(): Registration {
    return this.#registration;
  }

  /** Whether the event has not ended. Any thread. */
  get active(): boolean {
    return this.#registration.active;
  }

  /**
   * Posts a value; the handler is called with what was posted since it was last called. Any thread. In a worker this makes
   * no system call while the pool is busy.
   * @param value 1 to 2^23 - 1, default 1; an event that counts takes none
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   * @throws ERR_WAKEONE_EVENT_FULL if a sum or count would be more than 2^23 - 1: nothing is posted. A count holds up to 256
   *   posts that are being delivered
   * @throws ERR_WAKEONE_STALE_REGISTRATION if the event has ended
   */
  post(value = 1): void {
    // What is refused is dealt with elsewhere: this is short enough to be inlined in a loop of posts.
    if (!isPostable(value) || (this.#merge === Merge.COUNT && value !== 1)) this.#refuse(value);
    const posted = this.#poster.post(value);
    if (posted === Posted.JOINED) return;
    if (posted !== Posted.DONE) this.#fail(posted, value);
    this.#strands.posted(this.#index, this.#generation);
  }

  /** Stops deliveries until `enable()`; what is posted waits. Any thread. @throws ERR_WAKEONE_STALE_REGISTRATION */
  disable(): void {
    this.#registration.disable();
  }

  /** Ends `disable()`. Any thread. @throws ERR_WAKEONE_STALE_REGISTRATION */
  enable(): void {
    this.#registration.enable();
  }

  /**
   * Ends the event: one last delivery, with `event.last` and what was posted and not delivered. Any thread, idempotent;
   * resolves when it is over. A handler of the same event must not wait for it.
   * @param detail an application's number, 0 to 65535
   * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_ABORTED
   */
  teardown(detail = 0, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#registration.teardown(detail, options);
  }

  /** Resolves when the event has ended. Any thread. */
  ended(): Promise<void> {
    return this.#registration.ended();
  }

  #refuse(value: unknown): never {
    checkPosted('value', value);
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      'value',
      'left out: this event counts its posts',
      show(value),
    );
  }

  #fail(posted: typeof Posted.FULL | typeof Posted.STALE, value: number): never {
    if (posted === Posted.FULL) throw makeError('ERR_WAKEONE_EVENT_FULL', `${value}`, `${MAX_USER_VALUE}`);
    throw makeError('ERR_WAKEONE_STALE_REGISTRATION', `${this.#index} (a user event)`);
  }
}

/**
 * Makes a user event. Main thread.
 * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_NAME_IN_USE,
 *   ERR_WAKEONE_SOURCES_EXHAUSTED
 */
export function openUserEvent(
  { memory, strands, registrar }: PoolAccess,
  options: UserEventOptions,
  entries: readonly HandlerEntry[],
): UserEvent {
  checkNames(options, OPTION_NAMES);
  const handler = findFunction(options.handler, entries);
  const merge = MERGES[choice('merge', options.merge, ['or', 'add', 'last', 'count'], 'or')];
  const name = options.name === undefined ? undefined : checkName(options.name);
  if (name !== undefined && findNamed(memory, name) !== undefined)
    throw makeError('ERR_WAKEONE_NAME_IN_USE', show(options.name));
  const index = registrar.registerSource({
    handler,
    group: groupRef(memory, strands, options.group),
    kind: Kind.EVENT,
    traits: Trait.EDGE | mergeTrait(merge),
    events: READY_NONE,
    cookie: checkCookie(options.cookie),
  });
  if (index < 0) throw exhausted(memory);
  if (name !== undefined) memory.records.setInput(index, memory.data.append(0, name) ?? 0);
  const event = new UserEvent(memory, strands, index, memory.slots.generation(index));
  strands.handOver(index, READY_NONE);
  return event;
}

/** A user event by its name or id. Any thread. @throws ERR_WAKEONE_UNKNOWN_EVENT, ERR_WAKEONE_INVALID_ARGUMENT */
export function userEventBy(memory: PoolMemory, strands: Strands, key: string | UserEventId): UserEvent {
  if (typeof key === 'string') {
    const found = findNamed(memory, Buffer.from(key));
    if (found === undefined) throw makeError('ERR_WAKEONE_UNKNOWN_EVENT', show(key));
    return new UserEvent(memory, strands, found.source, found.generation);
  }
  if (!isSourceId(memory, key))
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'event', 'the name or id of a user event', show(key));
  return new UserEvent(memory, strands, key.source, key.generation);
}

/**
 * Queues one item: its handler is called once, with `event.value`; items run in parallel. False if all sources are in use:
 * nothing is queued then. Any thread of the pool.
 * @throws ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function postItem(
  { memory, strands, registrar }: PoolAccess,
  handler: number,
  value: number,
): boolean {
  if (typeof value !== 'number')
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'value', 'a number', show(value));
  const index = registrar.registerSource({
    handler,
    kind: Kind.ITEM,
    traits: Trait.EDGE,
    events: READY_NONE,
    cookie: 0n,
  });
  if (index < 0) return false;
  const { records, users, slots } = memory;
  records.setNumber(index, value);
  users.post(index, slots.generation(index), Merge.OR, 1);
  strands.handOverQueued(index);
  return true;
}

/** The number of a handler that is a function. @throws ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND */
export function findFunction(name: unknown, entries: readonly HandlerEntry[]): number {
  const handler = findHandler(name, entries);
  if (entries[handler]?.kind === Kind.RAW) return handler;
  throw makeError('ERR_WAKEONE_HANDLER_KIND', String(name), 'a handler that is a function');
}

/** Whether this is what names a source without a descriptor. */
export function isSourceId({ layout }: PoolMemory, id: unknown): id is UserEventId {
  if (typeof id !== 'object' || id === null) return false;
  const { source, generation } = id as Partial<UserEventId>;
  if (!Number.isInteger(generation) || !Number.isInteger(source)) return false;
  return source !== undefined && source >= layout.maxFds && source < layout.slotCount;
}

export function exhausted({ layout }: PoolMemory): Error {
  return makeError('ERR_WAKEONE_SOURCES_EXHAUSTED', `${layout.slotCount - layout.maxFds}`);
}

function checkName(name: unknown): Buffer {
  const bytes = typeof name === 'string' ? Buffer.from(name) : undefined;
  if (bytes !== undefined && bytes.length >= 1 && bytes.length <= MAX_NAME_BYTES) return bytes;
  throw invalid('name', `a string of 1 to ${MAX_NAME_BYTES} bytes`, name);
}

/** Names lie in the events' input blocks. A block may be given back while it is read: then the event is over, which is looked at last. */
function findNamed({ layout, slots, records, data }: PoolMemory, name: Buffer): UserEventId | undefined {
  for (let source = layout.maxFds; source < layout.slotCount; source++) {
    if (slots.state(source) === State.FREE || kindOf(records.config(source)) !== Kind.EVENT) continue;
    const generation = slots.generation(source);
    const block = records.input(source);
    const same = block !== 0 && name.equals(data.dataOf(block));
    if (same && slots.isLive(source, generation)) return { source, generation };
  }
  return undefined;
}
