/** A connection as its handlers see it. */
import { isAbortBy } from '../abort.ts';
import { makeError, show } from '../errors.ts';
import type { SocketAddress } from '../native/index.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { handlerOf, Phase } from '../slots/record.ts';
import { checkNotSticky } from './affinity.ts';
import { checkDetail, checkInteger } from './arguments.ts';
import { ConnectionInput } from './connection-input.ts';
import { Group, groupById, type GroupId, groupOfTurn, openGroup } from './group.ts';
import type { CloseReason } from './reason.ts';
import { checkDelay } from './limits.ts';
import { Registration } from './registration.ts';
import type { NoState, StateOf, StateShape } from './state-shape.ts';

/** The kernel's limit for TCP_KEEPIDLE, in seconds. */
const MAX_KEEP_IDLE = 32_767;

/**
 * Given to each handler of a connection. It may be used until that handler returns or, if it is async, settles; after
 * that its methods throw ERR_WAKEONE_NOT_OWNER, since the connection may be in another worker. Keep
 * `connection.registration.id` to name the connection later.
 *
 * @typeParam S the state that its handlers declare
 * @typeParam G what their module declares as `groupState`
 */
export class Connection<
  S extends StateShape = NoState,
  G extends StateShape = NoState,
> extends ConnectionInput {
  /** Made by the first use of `signal`. */
  declare private controller: AbortController | undefined;

  /** The registration: `modify`, `disable`, `enable`, `teardown`, and the `id` that names it in other threads. */
  get registration(): Registration {
    const { context, index, generation } = this.use('registration');
    return new Registration(context.memory, context.strands, index, generation);
  }

  /** The user's 64 bits that came with `pool.add`. */
  get cookie(): bigint {
    const { context, index } = this.use('cookie');
    return context.memory.records.cookie(index);
  }

  /**
   * The state that the handlers declare, in shared memory: the same in every worker, zero when the connection begins. To
   * read and to write it is as with a typed array, what does not fit wraps around; bytes are copied. To write a field that is
   * not declared throws a TypeError.
   * @example
   * defineHandlers({ echo: { state: { seq: 'u32' }, data: (connection) => void connection.state.seq++ } });
   */
  get state(): StateOf<S> {
    const turn = this.use('state');
    return turn.rows.of(turn.index, handlerOf(turn.config)) as StateOf<S>;
  }

  /**
   * A value of yours, of whatever type, that lives with a connection of affinity 'sticky', or in a sticky group: undefined at
   * first, dropped at the end.
   * @throws ERR_WAKEONE_AFFINITY for all others
   */
  get local(): unknown {
    const { context, index } = this.use('local');
    return context.locals.get(index, 'connection.local');
  }

  set local(value: unknown) {
    const { context, index } = this.use('local');
    context.locals.set(index, value, 'connection.local');
  }

  /**
   * Sends bytes, or UTF-8 text. What the kernel does not take at once is kept and sent as soon as it does. Returns false
   * if the high-water mark is reached: `drain` is called when all is sent, and until then no input is read. The bytes
   * may be reused when this returns. What a handler writes leaves together, in one system call for up to 64 KiB: when its
   * turn is over, at `flush()`, in `blocking()`, or when it awaits; after that each write is sent at once.
   * To one of `peers` that has ended it sends nothing, and returns false.
   * @throws ERR_WAKEONE_ENDED after `end()`; ERR_WAKEONE_INVALID_ARGUMENT
   */
  write(chunk: Uint8Array | string): boolean {
    const turn = this.use('write()');
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'chunk', 'a Uint8Array or a string', show(chunk));
    }
    if (turn.ended || turn.has(Phase.ENDING)) {
      // When another connection ends its handler could not know; nor is it a mistake of this one.
      if (turn.peer) return false;
      throw makeError('ERR_WAKEONE_ENDED', 'write()');
    }
    return turn.write(chunk);
  }

  /** Whether `write()` still sends: our side has not ended, nor is the connection about to be closed. */
  get writable(): boolean {
    const turn = this.use('writable');
    const ends = turn.ended || turn.has(Phase.ENDING);
    return !ends && turn.closing === undefined && turn.failure === undefined;
  }

  /** Sends what this handler has written so far, as far as the kernel takes it. For a handler that goes on for long. */
  flush(): void {
    this.use('flush()').sendGathered();
  }

  /** Bytes that the kernel did not take, and that wait to be sent. */
  get outputLength(): number {
    const turn = this.use('outputLength');
    turn.sendGathered();
    return turn.outputLength;
  }

  /** Sends `chunk`, if given, and ends our side (FIN) when all is sent. The peer may still send. Idempotent. */
  end(chunk?: Uint8Array | string): void {
    const turn = this.use('end()');
    if (chunk !== undefined) this.write(chunk);
    turn.phase |= Phase.ENDING;
  }

  /** Ends the connection after this handler, dropping what is unsent. With an `error`, the `error` handler hears of it. */
  destroy(error?: Error): void {
    const turn = this.use('destroy()');
    if (error === undefined) turn.closing ??= { type: 'destroyed' };
    else turn.failure ??= { error, thrown: false };
  }

  /**
   * Ends the connection after this handler with the reason `{ type: 'teardown', detail }`: the force-oneshot of the own
   * connection.
   * @param detail an application's number, 0 to 65535
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  teardown(detail = 0): void {
    const turn = this.use('teardown()');
    const reason: CloseReason = { type: 'teardown', detail: checkDetail(detail) };
    turn.closing ??= reason;
  }

  /**
   * Reads no more until `resume()`, or `registration.enable()` in whatever thread. What has arrived stays in the kernel, the
   * end of the peer too.
   */
  pause(): void {
    const turn = this.use('pause()');
    turn.phase |= Phase.PAUSED;
    turn.hold(true);
  }

  /** Ends `pause()`. */
  resume(): void {
    const turn = this.use('resume()');
    turn.phase &= ~Phase.PAUSED;
    turn.hold(false);
  }

  /**
   * Sets the connection's deadline to `afterMs` from now, in place of the one that it has; undefined lifts it. Activity does
   * not move it: a message, a reply, the whole connection must be over by then, or `timeout` is called with 'deadline'.
   * @param afterMs milliseconds, an integer from 1 to 2^30
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  deadline(afterMs: number | undefined): void {
    this.use('deadline()').setDeadline(afterMs === undefined ? undefined : checkDelay('afterMs', afterMs));
  }

  /**
   * Sets the connection's idle timeout, in place of the one that it has, and begins it; undefined lifts it.
   * @param timeoutMs milliseconds, an integer from 1 to 2^30
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  idleTimeout(timeoutMs: number | undefined): void {
    const idleMs = timeoutMs === undefined ? undefined : checkDelay('timeoutMs', timeoutMs);
    this.use('idleTimeout()').setIdle(idleMs);
  }

  /**
   * Takes the descriptor out of the pool after this handler: it is not closed, and is the caller's from when `close` has
   * run (reason `detached`). Returns it with the unread input. Another thread that registers it anew must wait for the
   * registration's `ended()`: `close` can tell it of the descriptor while it is still in the pool.
   * @throws ERR_WAKEONE_OUTPUT_PENDING while output is unsent
   */
  detach(): { readonly fd: number; readonly input: Buffer } {
    const turn = this.use('detach()');
    turn.sendGathered();
    if (turn.hasOutput) throw makeError('ERR_WAKEONE_OUTPUT_PENDING', 'detach()');
    const input = this.read();
    turn.closing ??= { type: 'detached' };
    return { fd: this.fd, input };
  }

  /** Our end of the connection; undefined if it is no socket or gone. */
  get localAddress(): SocketAddress | undefined {
    const address = this.use('localAddress').context.native.localAddress(this.fd);
    return typeof address === 'number' ? undefined : address;
  }

  /** The peer's end; undefined if it is no socket or gone. */
  get remoteAddress(): SocketAddress | undefined {
    const address = this.use('remoteAddress').context.native.peerAddress(this.fd);
    return typeof address === 'number' ? undefined : address;
  }

  /** Nagle's algorithm off (the default of connections that the pool accepts) or on. Does nothing for sockets without TCP. */
  setNoDelay(on = true): this {
    this.use('setNoDelay()').context.native.setNoDelay(this.fd, on);
    return this;
  }

  /**
   * TCP keep-alive probes after `idleSeconds` of silence, at most 32767; 0 turns them off.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  setKeepAlive(idleSeconds: number): this {
    const turn = this.use('setKeepAlive()');
    turn.context.native.setKeepAlive(this.fd, checkInteger('idleSeconds', idleSeconds, MAX_KEEP_IDLE));
    return this;
  }

  /** The group that it is in, undefined if none. */
  get group(): Group<G> | undefined {
    const { context, index } = this.use('group');
    return groupOfTurn(context.memory, context.strands, index, (ref) =>
      this.use('group.state').rows.ofGroup(ref),
    );
  }

  /**
   * The other connections of its group, to be used as this one is and as long: none of their handlers runs meanwhile. What
   * is done to them takes effect when this connection's turn is over; what is written goes out at once. Writing to a peer
   * does not stop reading from that peer: pause this connection when `write()` returns false, and resume it in the peer's `drain`.
   * Their `state` is of this connection's type here; one that has another handler has what that declares.
   */
  get peers(): Connection<S, G>[] {
    const { context, index } = this.use('peers');
    return (context.groups?.peersOf(index) ?? []) as Connection<S, G>[];
  }

  /**
   * Joins a group; without an argument a new one, that ends with its last member. At once if no handler of the group runs:
   * then none begins before this turn is over. Else when this turn is over.
   * @returns the group
   * @throws ERR_WAKEONE_IN_GROUP, ERR_WAKEONE_STALE_REGISTRATION, ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_INVALID_ARGUMENT
   */
  joinGroup(group?: Group | GroupId): Group<G> {
    const turn = this.use('joinGroup()');
    const { memory, strands, groups } = turn.context;
    const joined =
      group === undefined
        ? openGroup(turn.context, {}, true)
        : group instanceof Group
          ? group
          : groupById(memory, strands, group);
    checkNotSticky(memory, turn.index);
    const ref = joined.refFor(memory);
    const present = memory.groups.refOf(turn.index);
    if (present === ref) return this.group ?? (joined as Group<G>);
    if (present !== NO_GROUP && memory.groups.generationOf(present) !== undefined)
      throw makeError('ERR_WAKEONE_IN_GROUP', `${turn.index}`);
    groups?.join(turn, ref);
    return this.group ?? (joined as Group<G>);
  }

  /** Leaves its group, if it is in one. At once; its handler that runs now still excludes those of the group. */
  leaveGroup(): void {
    const turn = this.use('leaveGroup()');
    turn.context.groups?.leave(turn);
  }

  /**
   * Aborted when a teardown is asked for while the async handler that was given this connection is pending. If that then throws
   * the signal's reason, or an error with that as its `cause`, as what it has handed the signal to does, this is no failure.
   */
  get signal(): AbortSignal {
    this.use('signal');
    this.controller ??= new AbortController();
    return this.controller.signal;
  }

  /** Whether this object may still be used. */
  get usable(): boolean {
    return this.turn !== undefined;
  }

  /** The reactor's: sets the signal. */
  static abort(connection: Connection): void {
    connection.controller ??= new AbortController();
    connection.controller.abort(makeError('ERR_WAKEONE_ABORTED', 'The handler'));
  }

  /** The reactor's: whether an async handler threw that only because its signal was aborted. */
  static gaveUp(connection: Connection, thrown: unknown): boolean {
    return isAbortBy(connection.controller?.signal, thrown);
  }

  /** The reactor's: the turn is over. */
  static revoke(connection: Connection): void {
    connection.turn?.rows.revoke();
    connection.turn = undefined;
  }
}
