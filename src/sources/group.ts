/** Groups as users hold them: sources of which one handler at a time runs. */
import { setTimeout as after } from 'node:timers/promises';
import { makeError, show } from '../errors.ts';
import { checkNames, choice } from '../options.ts';
import type { Strands } from '../reactor/strands.ts';
import { NO_GROUP } from '../slots/groups.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Kind, kindOf, Trait } from '../slots/record.ts';
import { READY_NONE } from '../slots/word.ts';
import type { PoolAccess } from './access.ts';
import { type Affinity, checkNotSticky } from './affinity.ts';
import { Registration } from './registration.ts';
import type { NoState, StateOf, StateShape } from './state-shape.ts';

export type GroupOptions = {
  /** Whether it ends when its last member has left. Default: false for `pool.group()`, true for a worker's `group()`. */
  readonly transient?: boolean;
  /** 'sticky': the handlers of its members always run in the same worker, and may keep values in `local`. Default 'any'. */
  readonly affinity?: Affinity;
};

/** Names a group for another thread: plain data, never reused. */
export type GroupId = { readonly source: number; readonly generation: number };

/** What can be in a group: a registration, or what has one. */
export type Member = Registration | { readonly registration: Registration };

/** Gives the record of a group, by what its members name. */
export type StateOfGroup = (ref: number) => object;

/** How long to wait before a look at a slot that somebody else has. */
const RETRY_MS = 1;

/** @typeParam G what the module declares as `groupState` */
export class Group<G extends StateShape = NoState> {
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  readonly #registration: Registration;

  /** The state as the turn may use it from which this object came. */
  readonly #stateOf: StateOfGroup | undefined;

  /** Use `pool.group()`, or `group()` in a worker. */
  constructor(
    memory: PoolMemory,
    strands: Strands,
    index: number,
    generation: number,
    stateOf?: StateOfGroup,
  ) {
    this.#memory = memory;
    this.#strands = strands;
    this.#stateOf = stateOf;
    this.#registration = new Registration(memory, strands, index, generation);
  }

  /** Plain data that names this group in any thread of the pool. */
  get id(): GroupId {
    return { source: this.#registration.fd, generation: this.#registration.generation };
  }

  /** Whether the group has not ended. Any thread. */
  get active(): boolean {
    return this.#registration.active;
  }

  /** How many members it has. It may change at any moment, and one that has just joined may not be counted yet. Any thread. */
  get size(): number {
    return this.active ? this.#memory.groups.size(this.#registration.fd) : 0;
  }

  /**
   * What its members share: the fields that the module declares as `groupState`, zero when the group is made, the same in
   * every worker. For the handlers of members, one of which runs at a time: of the group that `connection.group`,
   * `event.group` or `joinGroup()` has given, as long as the connection or event can be used.
   * @throws ERR_WAKEONE_NOT_OWNER
   */
  get state(): StateOf<G> {
    if (this.#stateOf === undefined) throw makeError('ERR_WAKEONE_NOT_OWNER', 'group.state');
    return this.#stateOf(this.#ref) as StateOf<G>;
  }

  /**
   * Makes a registration a member. Any thread; resolves when it is one: not while a handler of its own runs, so that handler
   * must not wait for it (a connection's uses `connection.joinGroup()`).
   * @throws ERR_WAKEONE_IN_GROUP if it is in another group; ERR_WAKEONE_AFFINITY if it is sticky itself; ERR_WAKEONE_OTHER_POOL; ERR_WAKEONE_HANDLER_KIND for a listener;
   *   ERR_WAKEONE_STALE_REGISTRATION if it or the group has ended
   */
  async add(member: Member): Promise<void> {
    const registration = this.#check(member);
    const { fd: index, generation } = registration;
    const { slots, groups, records, me } = this.#memory;
    if (kindOf(records.config(index)) === Kind.LISTENER)
      throw makeError('ERR_WAKEONE_HANDLER_KIND', 'listener', 'a registration with a handler of its own');
    checkNotSticky(this.#memory, index);
    const ref = this.#ref;
    for (;;) {
      this.#checkActive(registration);
      const present = groups.refOf(index);
      if (present === ref) return;
      if (present !== NO_GROUP && groups.generationOf(present) !== undefined)
        throw makeError('ERR_WAKEONE_IN_GROUP', `${index}`);
      const word = slots.seize(index, generation, me);
      if (word !== 0) {
        // Somebody may have been faster.
        if (groups.refOf(index) === present) this.#strands.join(index, ref);
        this.#strands.restore(index, word);
      } else {
        await after(RETRY_MS);
      }
    }
  }

  /**
   * Takes a registration out of the group, if it is in it. Any thread; resolves when it is not: not while a handler of the
   * group runs, so such a handler must not wait for it.
   * @throws ERR_WAKEONE_OTHER_POOL, ERR_WAKEONE_STALE_REGISTRATION
   */
  async remove(member: Member): Promise<void> {
    const registration = this.#check(member);
    const { fd: index } = registration;
    const { slots, groups, me } = this.#memory;
    const { fd: group, generation } = this.#registration;
    const ref = this.#ref;
    while (registration.active && groups.refOf(index) === ref) {
      const seized = this.active ? slots.seize(group, generation, me) : 0;
      if (seized !== 0) {
        groups.begin(group, ref, seized);
        groups.adopt(group, ref);
        const word = slots.seize(index, registration.generation, me);
        if (word !== 0) {
          groups.leave(index);
          this.#strands.restore(index, word);
        }
        this.#strands.restore(group, seized);
        // A transient one may be over now.
        this.#strands.askGroup(ref);
      }
      if (groups.refOf(index) === ref) await after(RETRY_MS);
    }
  }

  /**
   * Tears all members down, each with the reason `{ type: 'teardown', detail }`, and ends the group. Any thread, idempotent;
   * resolves when all is over. A handler of the group must not wait for it.
   * @param detail an application's number, 0 to 65535
   * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_ABORTED
   */
  teardown(detail = 0, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.#registration.teardown(detail, options);
  }

  /** Resolves when the group has ended. Any thread. */
  ended(): Promise<void> {
    return this.#registration.ended();
  }

  get #ref(): number {
    return this.#memory.groups.makeRef(this.#registration.fd, this.#registration.generation);
  }

  #check(member: Member): Registration {
    const given = member as { readonly registration?: unknown } | undefined;
    const registration = given instanceof Registration ? given : given?.registration;
    if (!(registration instanceof Registration))
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'member', 'a registration or user event', show(member));
    if (!registration.isOf(this.#memory)) throw makeError('ERR_WAKEONE_OTHER_POOL', 'The registration');
    return registration;
  }

  #checkActive(registration: Registration): void {
    if (!registration.active) throw makeError('ERR_WAKEONE_STALE_REGISTRATION', String(registration.fd));
    if (!this.active) throw makeError('ERR_WAKEONE_STALE_REGISTRATION', `${this.#registration.fd} (a group)`);
  }

  /** What members of the group name in their slots. Internal. @throws ERR_WAKEONE_OTHER_POOL, ERR_WAKEONE_STALE_REGISTRATION */
  refFor(memory: PoolMemory): number {
    // A worker has one view of the pool's memory, the main thread another: the bytes are the same.
    if (memory.buffers.control !== this.#memory.buffers.control)
      throw makeError('ERR_WAKEONE_OTHER_POOL', 'The group');
    const { fd: group } = this.#registration;
    if (!this.active) throw makeError('ERR_WAKEONE_STALE_REGISTRATION', `${group} (a group)`);
    if (kindOf(memory.records.config(group)) !== Kind.GROUP)
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'group', 'the id of a group', 'that of another source');
    return this.#ref;
  }
}

/** Makes a group. @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_SOURCES_EXHAUSTED */
export function openGroup(
  { memory, strands, registrar }: PoolAccess,
  options: GroupOptions,
  transientByDefault: boolean,
): Group {
  checkNames(options, { transient: true, affinity: true });
  const sticky = choice('affinity', options.affinity, ['any', 'sticky'], 'any') === 'sticky';
  const { transient = transientByDefault } = options;
  if (typeof transient !== 'boolean')
    throw makeError('ERR_WAKEONE_INVALID_OPTION', 'transient', 'a boolean', show(transient));
  const index = registrar.registerSource({
    handler: 0,
    kind: Kind.GROUP,
    traits: Trait.EDGE | (transient ? Trait.TRANSIENT : 0),
    events: READY_NONE,
    cookie: 0n,
    sticky,
  });
  const { layout, slots } = memory;
  if (index < 0) throw makeError('ERR_WAKEONE_SOURCES_EXHAUSTED', `${layout.slotCount - layout.maxFds}`);
  const made = new Group(memory, strands, index, slots.generation(index));
  strands.handOver(index, READY_NONE);
  return made;
}

/** A group by its id. Any thread. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function groupById(memory: PoolMemory, strands: Strands, id: GroupId): Group {
  const { maxFds, slotCount } = memory.layout;
  const isId =
    typeof id === 'object' &&
    id !== null &&
    Number.isInteger(id.generation) &&
    Number.isInteger(id.source) &&
    id.source >= maxFds &&
    id.source < slotCount;
  if (!isId) throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'group', 'a group or the id of one', show(id));
  return new Group(memory, strands, id.source, id.generation);
}

/** The group of a slot that has its turn, undefined if it is in none. `stateOf` gives what that turn may use of it. */
export function groupOfTurn<G extends StateShape>(
  memory: PoolMemory,
  strands: Strands,
  member: number,
  stateOf: StateOfGroup,
): Group<G> | undefined {
  const { groups } = memory;
  const ref = groups.refOf(member);
  const generation = ref === NO_GROUP ? undefined : groups.generationOf(ref);
  if (generation === undefined) return undefined;
  return new Group(memory, strands, groups.groupOf(ref), generation, stateOf);
}

/** What a `group` option or argument names; NO_GROUP for undefined. @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_OTHER_POOL, ERR_WAKEONE_STALE_REGISTRATION */
export function groupRef(memory: PoolMemory, strands: Strands, given: Group | GroupId | undefined): number {
  if (given === undefined) return NO_GROUP;
  return (given instanceof Group ? given : groupById(memory, strands, given)).refFor(memory);
}
