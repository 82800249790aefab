/**
 * The contract of the native layer: the one boundary behind which system calls and raw addresses live.
 *
 * C1  A result is a number: >= 0 on success, the negated errno on failure. Nothing throws, nothing allocates on the hot
 *     path, EINTR is returned like any other errno and the caller decides.
 * C2  An address is a plain number and keeps nothing alive. Only memory made by `memory()` or handed to `adopt()` may be
 *     passed; both are SharedArrayBuffers that the layer references until the thread ends.
 * C3  Every descriptor that is made is close-on-exec and non-blocking.
 * C4  One instance per thread; an instance is never shared between threads.
 *
 * A second implementation (kqueue, io_uring, `node:ffi`) must satisfy this and nothing else has to change;
 * `fake.ts` is one, for tests.
 */

/** Native memory: a region whose address does not change and that lives as long as the thread. */
export type Region = { readonly address: number; readonly bytes: Uint8Array<SharedArrayBuffer> };

/** epoll's event bits, the same on all architectures. */
export const Epoll = {
  IN: 0x001,
  PRI: 0x002,
  OUT: 0x004,
  ERR: 0x008,
  HUP: 0x010,
  RDHUP: 0x2000,
  ONESHOT: 0x40000000,
  EDGE: -0x80000000,
} as const;

export const EpollOp = { ADD: 1, DEL: 2, MOD: 3 } as const;
export type EpollOp = (typeof EpollOp)[keyof typeof EpollOp];

/** A socket address as users see it. A path of AF_UNIX; a port and host otherwise. */
export type SocketAddress =
  | { readonly family: 'IPv4' | 'IPv6'; readonly address: string; readonly port: number }
  | { readonly family: 'unix'; readonly path: string };

export const Shutdown = { READ: 0, WRITE: 1, BOTH: 2 } as const;

/** How epoll_wait's events lie in memory: entries of `stride` words; word 0 bits, then the two data words. */
export type EventShape = { readonly stride: number; readonly index: number; readonly generation: number };

export interface Native {
  readonly events: EventShape;

  /** Makes `byteLength` bytes of native memory, 16-byte aligned. */
  memory(byteLength: number): Region;
  /** Makes a SharedArrayBuffer's bytes addressable and keeps it alive; returns its address. */
  adopt(buffer: SharedArrayBuffer): number;

  epollCreate(): number;
  /** Adds, changes or removes `fd`; index and generation come back with each event. */
  epollControl(set: number, op: EpollOp, fd: number, bits: number, index: number, generation: number): number;
  /** Waits for up to `max` events at `address`; `timeoutMs` -1 waits for ever. */
  epollWait(set: number, address: number, max: number, timeoutMs: number): number;

  eventfd(): number;
  /** Adds 1 to an eventfd. */
  signal(eventfd: number): number;

  /** A timer by the monotonic clock, not set: a descriptor that is readable once it has expired. */
  timer(): number;
  /** Has a timer expire once, `ms` from now (more than 0, fractions too). What it was set to, or has expired, is forgotten. */
  setTimer(timer: number, ms: number): number;

  socketStream(family: 'IPv4' | 'IPv6' | 'unix'): number;
  bind(fd: number, address: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  /** Accepts one connection, non-blocking and close-on-exec. */
  accept(fd: number): number;
  /**
   * Connects a socket: 0 if it is connected now, EINPROGRESS if it is being connected. Then writability, a hang-up or an
   * error tell that there is news; `takeError` and `peerAddress` tell which.
   */
  connect(fd: number, address: SocketAddress): number;
  localAddress(fd: number): SocketAddress | number;
  peerAddress(fd: number): SocketAddress | number;
  shutdown(fd: number, how: number): number;

  setReuseAddress(fd: number, on: boolean): number;
  setIpv6Only(fd: number, on: boolean): number;
  setNoDelay(fd: number, on: boolean): number;
  /** Keep-alive probes after `idleSeconds` of silence; 0 turns them off. */
  setKeepAlive(fd: number, idleSeconds: number): number;
  /** Closing sends RST at once instead of FIN. */
  setResetOnClose(fd: number): number;
  /** Takes and clears the pending error of a socket: an errno, 0 for none, negative if `fd` is no socket. */
  takeError(fd: number): number;

  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
  /** As read and write, for sockets only: 100 ns less in the kernel, which need not find out what `fd` is. Never SIGPIPE. */
  receive(fd: number, address: number, length: number): number;
  send(fd: number, address: number, length: number): number;
  close(fd: number): number;
  /** Status flags (F_GETFL); negative if `fd` is not open. */
  statusFlags(fd: number): number;
  setNonBlocking(fd: number): number;
  /** A duplicate with a number of at least `lowest`, close-on-exec. */
  duplicate(fd: number, lowest: number): number;
  /** Makes `number`, which is open, a duplicate of `fd`, another one: in one step, so that it never is nobody's. Close-on-exec. */
  replace(number: number, fd: number): number;

  /** Kernel's id of this thread. */
  threadId(): number;
  /** Lets another thread that waits for this CPU run first. */
  yieldThread(): void;
  /** Soft limit of open files; Infinity if there is none. */
  openFilesLimit(): number;
}

/** errno values that the library reacts to (Linux, all architectures it runs on). */
export const Errno = {
  EPERM: -1,
  ENOENT: -2,
  EINTR: -4,
  EBADF: -9,
  EAGAIN: -11,
  ENOMEM: -12,
  EEXIST: -17,
  EINVAL: -22,
  ENFILE: -23,
  EMFILE: -24,
  ENOSPC: -28,
  EPIPE: -32,
  ELOOP: -40,
  EPROTO: -71,
  ENOTSOCK: -88,
  EOPNOTSUPP: -95,
  EADDRINUSE: -98,
  ENETDOWN: -100,
  ENETUNREACH: -101,
  ECONNABORTED: -103,
  ECONNRESET: -104,
  ENOBUFS: -105,
  EISCONN: -106,
  ENOTCONN: -107,
  ETIMEDOUT: -110,
  ECONNREFUSED: -111,
  EALREADY: -114,
  EINPROGRESS: -115,
} as const;
