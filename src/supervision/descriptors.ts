/** The pool's own descriptors: the epoll set, the wake-up and stop eventfds, one eventfd per worker. Made and closed by the app's thread. */
import { makeError, SystemError } from '../errors.ts';
import { Epoll, EpollOp, type Native } from '../native/index.ts';
import { OwnEvent } from '../reactor/dispatcher.ts';

/** Descriptors of all pools of this thread: registering one of them would make a pool wait for itself. */
const reserved = new Set<number>();

/** @throws ERR_WAKEONE_FD_RESERVED */
export function checkNotReserved(fd: number): void {
  if (reserved.has(fd)) throw makeError('ERR_WAKEONE_FD_RESERVED', String(fd));
}

export class Descriptors {
  readonly epoll: number;
  readonly wake: number;
  readonly stop: number;
  readonly workers: readonly number[];
  readonly #native: Native;
  readonly #open: number[] = [];

  /** @throws SystemError; then none is left open */
  constructor(native: Native, workers: number) {
    this.#native = native;
    try {
      this.epoll = this.#keep('epoll_create1', native.epollCreate());
      this.wake = this.#keep('eventfd', native.eventfd());
      this.stop = this.#keep('eventfd', native.eventfd());
      this.workers = Array.from({ length: workers }, () => this.#keep('eventfd', native.eventfd()));
      // Neither is ever read: each write to the edge-triggered one is a new event, the level-triggered one stays.
      this.#watch(this.wake, Epoll.IN | Epoll.EDGE, OwnEvent.WAKE);
      this.#watch(this.stop, Epoll.IN, OwnEvent.STOP);
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

  #watch(fd: number, bits: number, event: number): void {
    const result = this.#native.epollControl(this.epoll, EpollOp.ADD, fd, bits, event, 0);
    if (result < 0) throw new SystemError('epoll_ctl', result, fd);
  }
}
