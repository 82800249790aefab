/**
 * The pool's own descriptors: the epoll set, the wake-up and stop eventfds, two for the monitor and three for each worker, one
 * for a set that was replaced. Made and closed by the app's thread: a worker that needed one later might get none (EMFILE), and
 * one that died would leave it open.
 */
import { SystemError } from '../errors.ts';
import { Epoll, EpollOp, type Native } from '../native/index.ts';
import { OwnEvent } from '../reactor/dispatcher.ts';

/** Descriptors of all pools of this thread: registering one of them would make a pool wait for itself. */
const reserved = new Set<number>();

export function reservedDescriptors(): ReadonlySet<number> {
  return reserved;
}

/** What a worker needs beside the pool's set: see WorkerWord. */
export type WorkerDescriptors = {
  readonly event: number;
  readonly pollSet: number;
  readonly parkSet: number;
};

export class Descriptors {
  readonly epoll: number;
  readonly wake: number;
  readonly stop: number;
  /** The monitor's alarm, and the set in which it waits for that and for the stop. */
  readonly timer: number;
  readonly monitorSet: number;
  readonly workers: readonly WorkerDescriptors[];
  /** The pool's epoll set before the last renew(). Since forgetFormer() it is another number of the set of today. */
  #former: number | undefined;
  readonly #native: Native;
  readonly #open: number[] = [];

  /** @throws SystemError; then none is left open */
  constructor(native: Native, workers: number) {
    this.#native = native;
    try {
      this.epoll = this.#keep('epoll_create1', native.epollCreate());
      this.wake = this.#keep('eventfd', native.eventfd());
      this.stop = this.#keep('eventfd', native.eventfd());
      this.#watchOwn(this.epoll);
      this.timer = this.#keep('timerfd_create', native.timer());
      this.monitorSet = this.#keep('epoll_create1', native.epollCreate());
      this.#watch(this.monitorSet, this.timer, Epoll.IN | Epoll.EDGE, this.timer);
      this.#watch(this.monitorSet, this.stop, Epoll.IN, OwnEvent.STOP);
      this.workers = Array.from({ length: workers }, () => this.#makeWorker());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Puts an empty set in the place of the pool's, under its number, and calls `publish` with the number that the former one
   * has from then on, before anybody can need it. False if there are no descriptors, or no memory, for that: then nothing has
   * changed.
   */
  renew(publish: (former: number) => void): boolean {
    const native = this.#native;
    const fresh = native.epollCreate();
    if (fresh < 0) return false;
    try {
      this.#watchOwn(fresh);
      // Number 0 is free where stdin is closed, and says that there is none.
      this.#former ??= this.#keep('fcntl', native.duplicate(this.epoll, 1));
    } catch {
      native.close(fresh);
      return false;
    }
    publish(this.#former);
    // Nobody hears of the former one any more. The name of a set in another one is its file and its number.
    for (const { pollSet } of this.workers) native.epollControl(pollSet, EpollOp.DEL, this.epoll, 0, 0, 0);
    const replaced = native.replace(this.epoll, fresh) >= 0;
    // There is room: what was taken out has made it.
    for (const { pollSet } of this.workers)
      native.epollControl(pollSet, EpollOp.ADD, this.epoll, Epoll.IN, this.epoll, 0);
    native.close(fresh);
    return replaced;
  }

  /** No slot is in the former set: it ends. */
  forgetFormer(): void {
    if (this.#former !== undefined) this.#native.replace(this.#former, this.epoll);
  }

  close(): void {
    for (const fd of this.#open.splice(0)) {
      reserved.delete(fd);
      this.#native.close(fd);
    }
  }

  #keep(syscall: string, fd: number): number {
    if (fd < 0) throw new SystemError(syscall, fd);
    this.#open.push(fd);
    reserved.add(fd);
    return fd;
  }

  /** The worker adds its event loop to both sets; at its end the kernel takes that out. */
  #makeWorker(): WorkerDescriptors {
    const event = this.#keep('eventfd', this.#native.eventfd());
    const pollSet = this.#keep('epoll_create1', this.#native.epollCreate());
    const parkSet = this.#keep('epoll_create1', this.#native.epollCreate());
    this.#watch(pollSet, this.epoll, Epoll.IN, this.epoll);
    this.#watch(parkSet, event, Epoll.IN | Epoll.EDGE, event);
    this.#watch(parkSet, this.stop, Epoll.IN, OwnEvent.STOP);
    return { event, pollSet, parkSet };
  }

  /** Neither is ever read: each write to the edge-triggered one is a new event, the level-triggered one stays. */
  #watchOwn(set: number): void {
    this.#watch(set, this.wake, Epoll.IN | Epoll.EDGE, OwnEvent.WAKE);
    this.#watch(set, this.stop, Epoll.IN, OwnEvent.STOP);
  }

  #watch(set: number, fd: number, bits: number, event: number): void {
    const result = this.#native.epollControl(set, EpollOp.ADD, fd, bits, event, 0);
    if (result < 0) throw new SystemError('epoll_ctl', result, fd);
  }
}
