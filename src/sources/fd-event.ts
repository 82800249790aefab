/** A delivery of a bare descriptor as its handler sees it. */
import { isAbortBy } from '../abort.ts';
import { makeError, show, SystemError } from '../errors.ts';
import { Errno } from '../native/index.ts';
import { handlerOf } from '../slots/record.ts';
import type { TimeoutKind } from '../slots/timeouts.ts';
import { Ready } from '../slots/word.ts';
import { checkDetail } from './arguments.ts';
import { claimWriteArea, READ_BYTES, type WorkerContext } from './context.ts';
import { type Group, groupOfTurn } from './group.ts';
import { checkDelay } from './limits.ts';
import type { CloseReason } from './reason.ts';
import { Registration } from './registration.ts';
import { TurnRows } from './state-rows.ts';
import type { NoState, StateOf, StateShape } from './state-shape.ts';

/** The state of a delivery, shared between the event and its source. */
export type Delivery = {
  readonly context: WorkerContext;
  readonly fd: number;
  readonly generation: number;
  /** Of its registration: when the handler fails late, the slot may be another's. */
  readonly config: number;
  readonly bits: number;
  readonly events: number;
  readonly reason: CloseReason | undefined;
  /** What was posted, 0 for nothing. */
  readonly value: number;
  /** The timeout that is over. */
  readonly timeout: TimeoutKind | undefined;
  /** Calls for posts that count, in a run that is not settled. */
  units: number;
  /** Directions that are not exhausted: delivered again in edge mode. */
  left: number;
  /** The handler asked for the end. */
  teardown: number | undefined;
};

/**
 * Given to the handler of a bare descriptor, for as long as that runs. The descriptor is disabled meanwhile: no other
 * delivery of it starts, in any worker.
 *
 * @typeParam S the state that the handler declares
 * @typeParam G what its module declares as `groupState`
 */
export class FdEvent<S extends StateShape = NoState, G extends StateShape = NoState> {
  readonly fd: number;
  #delivery: Delivery | undefined;
  #rows: TurnRows | undefined;
  #controller: AbortController | undefined;

  /** Made by the reactor. */
  constructor(delivery: Delivery) {
    this.fd = delivery.fd;
    this.#delivery = delivery;
  }

  /** Data or end-of-file may be read (also after a hang-up or an error, which reading then tells). */
  get readable(): boolean {
    return this.#has('in', Ready.IN | Ready.RDHUP | Ready.HUP | Ready.ERR);
  }

  /** Data may be written (also after an error, which writing then tells). */
  get writable(): boolean {
    return this.#has('out', Ready.OUT | Ready.HUP | Ready.ERR);
  }

  /** Out-of-band data, or another exceptional condition (EPOLLPRI). */
  get priority(): boolean {
    return (this.#use('priority').bits & Ready.PRI) !== 0;
  }

  /** The peer has closed its side for writing (EPOLLRDHUP). */
  get peerEnded(): boolean {
    return (this.#use('peerEnded').bits & Ready.RDHUP) !== 0;
  }

  /** Both sides are closed (EPOLLHUP). */
  get hangup(): boolean {
    return (this.#use('hangup').bits & Ready.HUP) !== 0;
  }

  /** An error is pending on the descriptor (EPOLLERR). */
  get error(): boolean {
    return (this.#use('error').bits & Ready.ERR) !== 0;
  }

  /** This is the last delivery: `reason` says why. After the handler the registration is over. */
  get last(): boolean {
    return this.#use('last').reason !== undefined;
  }

  get reason(): CloseReason | undefined {
    return this.#use('reason').reason;
  }

  /**
   * What was posted: the merged value of a user event, 1 for each post that is counted, the bits of
   * `registration.trigger()`, the number given to `pool.post()`, the periods of a timer that have passed since its last
   * delivery. 0 if this delivery has another cause.
   */
  get value(): number {
    return this.#use('value').value;
  }

  /**
   * The timeout that is over, undefined if this delivery has another cause: 'idle' (nothing was delivered for that long) or
   * 'deadline'. The registration goes on, and the idle timeout begins again, unless the handler ends it.
   */
  get timeout(): TimeoutKind | undefined {
    return this.#use('timeout').timeout;
  }

  /**
   * Sets the registration's deadline to `afterMs` from now, in place of the one that it has; undefined lifts it. Activity
   * does not move it.
   * @param afterMs milliseconds, an integer from 1 to 2^30
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  deadline(afterMs: number | undefined): void {
    const { context, fd } = this.#use('deadline()');
    context.strands.setDeadline(fd, afterMs === undefined ? undefined : checkDelay('afterMs', afterMs));
  }

  /** The user's 64 bits that came with `pool.add`. */
  get cookie(): bigint {
    const { context, fd } = this.#use('cookie');
    return context.memory.records.cookie(fd);
  }

  /**
   * The state that the handler declares, in shared memory: the same in every worker, zero when the registration begins. To
   * read and to write it is as with a typed array, what does not fit wraps around; bytes are copied. To write a field that is
   * not declared throws a TypeError.
   * @example
   * defineHandlers({ tick: { state: { ticks: 'u32' }, event: (event) => void event.state.ticks++ } });
   */
  get state(): StateOf<S> {
    const { context, fd, config } = this.#use('state');
    this.#rows ??= new TurnRows(context.rows);
    return this.#rows.of(fd, handlerOf(config)) as StateOf<S>;
  }

  /** The group that it is in, undefined if none. */
  get group(): Group<G> | undefined {
    const { context, fd } = this.#use('group');
    return groupOfTurn(context.memory, context.strands, fd, (ref) => this.#groupState(ref));
  }

  /**
   * A value of yours, of whatever type, that lives with a registration of affinity 'sticky', or in a sticky group: undefined
   * at first, dropped at the end.
   * @throws ERR_WAKEONE_AFFINITY for all others
   */
  get local(): unknown {
    const { context, fd } = this.#use('local');
    return context.locals.get(fd, 'event.local');
  }

  set local(value: unknown) {
    const { context, fd } = this.#use('local');
    context.locals.set(fd, value, 'event.local');
  }

  get registration(): Registration {
    const { context, fd, generation } = this.#use('registration');
    return new Registration(context.memory, context.strands, fd, generation);
  }

  /**
   * Reads up to 64 KiB (or `maxBytes`) without blocking. A copy; empty at end-of-file; null if there is nothing (EAGAIN).
   * @throws SystemError
   */
  read(maxBytes: number = READ_BYTES): Buffer | null {
    const delivery = this.#use('read()');
    if (!Number.isInteger(maxBytes) || maxBytes < 1) {
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'maxBytes', 'a positive integer', show(maxBytes));
    }
    const { native, input } = delivery.context;
    let count: number;
    do count = native.read(this.fd, input.region.address, Math.min(maxBytes, READ_BYTES));
    while (count === Errno.EINTR);
    if (count === Errno.EAGAIN) {
      delivery.left &= ~Ready.IN;
      return null;
    }
    if (count < 0) throw new SystemError('read', count, this.fd);
    if (count === 0) delivery.left &= ~Ready.IN;
    return Buffer.from(input.buffer.subarray(0, count));
  }

  /**
   * Writes without blocking; returns how many bytes were taken, 0 if none (EAGAIN).
   * @throws SystemError
   */
  write(chunk: Uint8Array | string): number {
    const delivery = this.#use('write()');
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'chunk', 'a Uint8Array or a string', show(chunk));
    }
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const { native, output } = delivery.context;
    claimWriteArea(delivery.context);
    for (let done = 0; ;) {
      const piece = Math.min(READ_BYTES, bytes.length - done);
      if (piece === 0) return done;
      output.region.bytes.set(bytes.subarray(done, done + piece));
      const sent = native.write(this.fd, output.region.address, piece);
      if (sent > 0) done += sent;
      if (sent === Errno.EAGAIN || (sent >= 0 && sent < piece)) {
        if (sent === Errno.EAGAIN) delivery.left &= ~Ready.OUT;
        return done;
      }
      if (sent < 0 && sent !== Errno.EINTR) throw new SystemError('write', sent, this.fd);
    }
  }

  /**
   * Says that a direction has been used up to EAGAIN, by other means than `read()` and `write()`. In edge mode a direction
   * that is not exhausted is delivered again, as a level-triggered one would be.
   */
  exhausted(direction: 'in' | 'out'): void {
    this.#use('exhausted()').left &= direction === 'in' ? ~Ready.IN : ~Ready.OUT;
  }

  /** In a registration with `rearm: 'manual'`: re-arms when this handler ends. Without it the fd stays silent until `registration.enable()`; so it does if it was disabled meanwhile. */
  rearm(): void {
    const { context, fd, generation } = this.#use('rearm()');
    context.memory.records.hold(fd, generation, false);
  }

  /**
   * Asks for the end: one last delivery follows this handler.
   * @param detail an application's number, 0 to 65535
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  teardown(detail = 0): void {
    this.#use('teardown()').teardown = checkDetail(detail);
  }

  /**
   * Aborted when a teardown is asked for while the async handler that was given this event is pending. If that then throws
   * the signal's reason, or an error with that as its `cause`, as what it has handed the signal to does, this is no failure.
   */
  get signal(): AbortSignal {
    this.#use('signal');
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  /** The reactor's: whether an async handler threw that only because its signal was aborted. */
  static gaveUp(event: FdEvent, thrown: unknown): boolean {
    return isAbortBy(event.#controller?.signal, thrown);
  }

  /** The reactor's: sets the signal. */
  static abort(event: FdEvent): void {
    event.#controller ??= new AbortController();
    event.#controller.abort(makeError('ERR_WAKEONE_ABORTED', 'The handler'));
  }

  /** The reactor's: the turn is over. */
  static revoke(event: FdEvent): void {
    event.#rows?.revoke();
    event.#delivery = undefined;
  }

  #groupState(ref: number): object {
    const { context } = this.#use('group.state');
    this.#rows ??= new TurnRows(context.rows);
    return this.#rows.ofGroup(ref);
  }

  #has(what: 'in' | 'out', bits: number): boolean {
    const delivery = this.#use(what === 'in' ? 'readable' : 'writable');
    const asked = what === 'in' ? Ready.IN : Ready.OUT;
    return (delivery.events & asked) !== 0 && (delivery.bits & bits) !== 0;
  }

  #use(what: string): Delivery {
    if (this.#delivery === undefined) throw makeError('ERR_WAKEONE_NOT_OWNER', `event.${what}`);
    return this.#delivery;
  }
}
