/** The pool as a Worker of the app has it that has joined: what makes sense outside of handlers. */
import { threadId } from 'node:worker_threads';
import { makeError, show } from '../errors.ts';
import { type Native, openNative } from '../native/index.ts';
import { Dispatcher } from '../reactor/dispatcher.ts';
import { News, Place, PlaceKernel, type Ticket } from '../reactor/place.ts';
import { countersOf, LAYOUT_VERSION } from '../slots/layout.ts';
import { attachMemory, type PoolMemory, PoolPhase } from '../slots/memory.ts';
import { AtomicsPort } from '../sync/port.ts';
import { makeAccess, type PoolAccess } from './access.ts';
import { type AddOptions, addDescriptor } from './add.ts';
import { type Registration, registrationById, type RegistrationId } from './registration.ts';
import { sharedBytes } from './shared.ts';
import { openTimer, type Timer, type TimerOptions } from './timer.ts';
import { findFunction, postItem, type UserEvent, userEventBy, type UserEventId } from './user-event.ts';

/** Methods are for the thread that has attached itself. All throw ERR_WAKEONE_DETACHED after `detach()`. */
export class AttachedPool {
  readonly #ticket: Ticket;
  readonly #access: PoolAccess;
  readonly #place: Place;
  #attached = true;

  /** Use {@link attach}. */
  constructor(ticket: Ticket, memory: PoolMemory, native: Native, place: Place) {
    this.#ticket = ticket;
    this.#place = place;
    this.#access = makeAccess(new Dispatcher(memory, new PlaceKernel(native, place)), native);
    const { strands, registrar } = this.#access;
    const changed = (): void => place.tell(News.REGISTRATIONS);
    strands.onLast = changed;
    strands.onTimed = () => place.tell(News.TIMED);
    registrar.onFirst = changed;
  }

  /** Whether the pool takes registrations and posts of this thread. */
  get open(): boolean {
    return this.#attached && this.#access.memory.phase === PoolPhase.OPEN;
  }

  /**
   * As `pool.post()`: queues an item for `handler`. Wakes a worker if none is awake. False if the queue is full.
   * @throws ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_POOL_CLOSED,
   *   ERR_WAKEONE_DETACHED
   */
  post(handler: string, value: number): boolean {
    return this.#inside('post()', () => {
      const number = findFunction(handler, this.#ticket.entries);
      return postItem(this.#access, number, value);
    });
  }

  /**
   * As `pool.add()`: registers a descriptor. It stays registered when this Worker ends.
   * @throws as `pool.add()`; ERR_WAKEONE_DETACHED
   */
  add(fd: number, options: AddOptions): Registration {
    const { entries, reserved } = this.#ticket;
    return this.#inside('add()', () => addDescriptor({ ...this.#access, entries, reserved }, fd, options));
  }

  /**
   * As `pool.timer()`: starts a timer. It goes on when this Worker ends.
   * @throws as `pool.timer()`; ERR_WAKEONE_DETACHED
   */
  timer(options: TimerOptions): Timer {
    return this.#inside('timer()', () => openTimer(this.#access, options, this.#ticket.entries));
  }

  /**
   * A user event of the pool, by the name that it was made with or by its id. Any operation on it throws
   * ERR_WAKEONE_STALE_REGISTRATION if it has ended, also with its pool.
   * @throws ERR_WAKEONE_UNKNOWN_EVENT, ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_DETACHED
   */
  userEvent(key: string | UserEventId): UserEvent {
    this.#check('userEvent()');
    return userEventBy(this.#access.memory, this.#access.strands, key);
  }

  /**
   * Any registration of the pool by its id, with the operations that it has elsewhere.
   * @throws ERR_WAKEONE_INVALID_FD, ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_DETACHED
   */
  registration(id: RegistrationId): Registration {
    this.#check('registration()');
    return registrationById(this.#access.memory, this.#access.strands, id);
  }

  /**
   * As `pool.shared()`. What it gave can still be used when the pool has ended.
   * @throws as `pool.shared()`; ERR_WAKEONE_DETACHED
   */
  shared(name: string, byteLength?: number): Uint8Array<SharedArrayBuffer> {
    this.#check('shared()');
    return sharedBytes(this.#access.memory, name, byteLength);
  }

  /** Leaves the pool; handles that this object gave can still be used. Idempotent. To join again takes another ticket. */
  detach(): void {
    this.#attached = false;
  }

  #inside<T>(what: string, act: () => T): T {
    this.#check(what);
    if (!this.#place.enter(PoolPhase.OPEN)) throw makeError('ERR_WAKEONE_POOL_CLOSED', what);
    try {
      return act();
    } finally {
      this.#place.leave();
    }
  }

  #check(what: string): void {
    if (!this.#attached) throw makeError('ERR_WAKEONE_DETACHED', what);
  }
}

/**
 * Joins a pool by the ticket that `pool.attach(worker)` made for this Worker. The pool notices when the Worker ends or dies,
 * in the middle of a call too, and puts right what it held. Neither side keeps the other alive.
 * @throws ERR_WAKEONE_INVALID_ARGUMENT if it is no ticket of this version of the package; ERR_WAKEONE_TICKET if it was
 *   used before, is not the last one, or is another thread's; ERR_WAKEONE_POOL_CLOSED
 * @example
 * parentPort.once('message', (ticket) => attach(ticket).post('work', 1));
 */
export function attach(ticket: Ticket): AttachedPool {
  if (!isTicket(ticket))
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      'ticket',
      'what pool.attach() of the same version returned',
      show(ticket),
    );
  const { buffers, owner, place: words, number, thread } = ticket;
  if (thread !== threadId) throw makeError('ERR_WAKEONE_TICKET', `it is for thread ${thread}`);
  const native = openNative();
  const memory = attachMemory(buffers, owner, countersOf(owner));
  const place = new Place(new AtomicsPort(words), memory);
  if (memory.phase !== PoolPhase.OPEN) throw makeError('ERR_WAKEONE_POOL_CLOSED', 'attach()');
  if (!place.join(number))
    throw makeError('ERR_WAKEONE_TICKET', 'it was used before, or a newer one was made');
  return new AttachedPool(ticket, memory, native, place);
}

function isTicket(ticket: unknown): ticket is Ticket {
  if (typeof ticket !== 'object' || ticket === null) return false;
  const { wakeone, place } = ticket as Partial<Ticket>;
  return wakeone === LAYOUT_VERSION && place instanceof Int32Array;
}
