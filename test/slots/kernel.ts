/**
 * The kernel's side of one fd number, in one word that each system call changes in one step:
 *
 *     { event : 1, eventCookie : 2, ready : 1, armed : 1, watched : 1, cookie : 2, unread : 2, file : 3, nextFile : 3 }
 *
 * `file` is the open file that the number stands for, 0 if it is closed; `watched` to `cookie` are its registration in
 * the epoll set; `event` is the batch that epoll_wait has written to the poller's memory. Watching follows Linux:
 * EPOLLET reports once for each arrival, if there is something to read when it is asked; EPOLLONESHOT reports while
 * there is, until it has reported, and MOD arms it again; a registration goes with its file.
 */
import type { VirtualPort } from '../explorer/program.ts';

export type Mode = 'edge' | 'oneshot';

export type KernelEvent = { readonly cookie: number };

type Fd = {
  event: number;
  eventCookie: number;
  ready: number;
  armed: number;
  watched: number;
  cookie: number;
  unread: number;
  file: number;
  nextFile: number;
};

const FIELDS = [
  ['event', 1],
  ['eventCookie', 2],
  ['ready', 1],
  ['armed', 1],
  ['watched', 1],
  ['cookie', 2],
  ['unread', 2],
  ['file', 3],
  ['nextFile', 3],
] as const;
const MOST_UNREAD = 3;

function unpack(word: number): Fd {
  const fd: Fd = {
    event: 0,
    eventCookie: 0,
    ready: 0,
    armed: 0,
    watched: 0,
    cookie: 0,
    unread: 0,
    file: 0,
    nextFile: 0,
  };
  let rest = word;
  for (const [name, bits] of FIELDS) {
    fd[name] = rest & ((1 << bits) - 1);
    rest >>>= bits;
  }
  return fd;
}

function pack(fd: Fd): number {
  let word = 0;
  let shift = 0;
  for (const [name, bits] of FIELDS) {
    word |= (fd[name] & ((1 << bits) - 1)) << shift;
    shift += bits;
  }
  return word;
}

export class Kernel {
  readonly #port: VirtualPort;
  readonly #at: number;
  readonly #mode: Mode;

  constructor(port: VirtualPort, at: number, mode: Mode) {
    this.#port = port;
    this.#at = at;
    this.#mode = mode;
  }

  /** The number is given to a new file; false while it is in use. */
  open(): boolean {
    const before = this.#change((fd) => {
      if (fd.file !== 0) return;
      fd.nextFile++;
      fd.file = fd.nextFile;
    });
    return before.file === 0;
  }

  /** Returns the file that was closed. */
  close(): number {
    const before = this.#change((fd) => {
      fd.file = 0;
      fd.unread = 0;
      unwatch(fd);
    });
    return before.file;
  }

  /** The peer sends; nothing happens if `file` is not open any more. */
  arrive(file: number): void {
    this.#change((fd) => {
      if (fd.file !== file) return;
      fd.unread = Math.min(fd.unread + 1, MOST_UNREAD);
      fd.ready = fd.watched;
    });
  }

  /** Reads one piece; false for EAGAIN. */
  read(): boolean {
    const before = this.#change((fd) => {
      if (fd.unread > 0) fd.unread--;
    });
    return before.unread > 0;
  }

  /** EPOLL_CTL_ADD. False for EEXIST. */
  watch(cookie: number): boolean {
    const before = this.#change((fd) => {
      if (fd.watched !== 0) return;
      fd.watched = 1;
      fd.cookie = cookie;
      rearm(fd);
    });
    return before.watched === 0;
  }

  /** EPOLL_CTL_MOD. Returns the file that it reached, 0 for ENOENT. */
  rearm(): number {
    const before = this.#change((fd) => {
      if (fd.watched !== 0) rearm(fd);
    });
    return before.watched === 0 ? 0 : before.file;
  }

  /** EPOLL_CTL_DEL. False for ENOENT. */
  unwatch(): boolean {
    return this.#change(unwatch).watched !== 0;
  }

  /** epoll_wait without waiting, for one event, which stays in the batch until it is cleared. */
  poll(): KernelEvent | undefined {
    const mode = this.#mode;
    const before = this.#change((fd) => {
      if (!reports(fd)) return;
      fd.event = 1;
      fd.eventCookie = fd.cookie;
      fd.ready = 0;
      if (mode === 'oneshot') fd.armed = 0;
    });
    return reports(before) ? { cookie: before.cookie } : undefined;
  }

  get batch(): KernelEvent | undefined {
    const fd = this.look();
    return fd.event === 0 ? undefined : { cookie: fd.eventCookie };
  }

  clearBatch(): void {
    this.#change((fd) => {
      fd.event = 0;
      fd.eventCookie = 0;
    });
  }

  look(): Readonly<Fd> {
    return unpack(this.#port.load(this.#at));
  }

  #change(change: (fd: Fd) => void): Readonly<Fd> {
    return unpack(
      this.#port.update(this.#at, (word) => {
        const fd = unpack(word);
        change(fd);
        return pack(fd);
      }),
    );
  }
}

// In either mode something is reported once for each arming or arrival; for oneshot the poll disarms it.
const reports = (fd: Readonly<Fd>): boolean =>
  fd.watched !== 0 && fd.armed !== 0 && fd.ready !== 0 && fd.unread > 0;

function rearm(fd: Fd): void {
  fd.armed = 1;
  fd.ready = fd.unread > 0 ? 1 : 0;
}

function unwatch(fd: Fd): void {
  fd.watched = 0;
  fd.armed = 0;
  fd.ready = 0;
  fd.cookie = 0;
}
