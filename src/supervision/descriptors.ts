/**
 * The pool's own descriptors: the epoll set, the wake-up and stop eventfds, two for the monitor and three for each worker. Made and closed by
 * the app's thread: a worker that needed one later might get none (EMFILE), and one that died would leave it open.
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
  readonly #native: Native;
  readonly #open: number[] = [];

  /** @throws SystemError; then none is left open */
  constructor(native: Native, workers: number) {
    this.#native = native;
    try {
      this.epoll = this.#keep('epoll_create1', native.epollCreate());
      this.wake = this.#keep('eventfd', native.eventfd());
      this.stop = this.#keep('eventfd', native.eventfd());
      // Neither is ever read: each write to the edge-triggered one is a new event, the level-triggered one stays.
      this.#watch(this.epoll, this.wake, Epoll.IN | Epoll.EDGE, OwnEvent.WAKE);
      this.#watch(this.epoll, this.stop, Epoll.IN, OwnEvent.STOP);
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

  #watch(set: number, fd: number, bits: number, event: number): void {
    const result = this.#native.epollControl(set, EpollOp.ADD, fd, bits, event, 0);
    if (result < 0) throw new SystemError('epoll_ctl', result, fd);
  }
}
