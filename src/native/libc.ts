/**
 * The native layer on Linux: libc through koffi. The only file that imports koffi.
 *
 * Pointers are declared `uintptr_t` and passed as Numbers (90 ns over C for a read; a Buffer in a `void *` costs
 * 150 ns more), results are `int` (a read of at most 2^31 - 1 bytes), and errno is read through a view over
 * `__errno_location()` (4 ns; `koffi.errno()` 28 ns). glibc and musl.
 */
import koffi from 'koffi';
import { makeErrorFrom } from '../errors.ts';
import type { EpollOp, EventShape, Native, Region, SocketAddress } from './contract.ts';
import { Memory } from './memory.ts';
import { AF_INET, AF_INET6, AF_UNIX, decodeAddress, encodeAddress, SOCKADDR_BYTES } from './sockaddr.ts';

const O_NONBLOCK = 0o4000;
const CLOEXEC = 0o2000000;
const CLOCK_MONOTONIC = 1;
const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_NOSIGNAL = 0x4000;
const RLIMIT_NOFILE = 7;
const EINVAL = 22;
const EPOLL_EVENT_BYTES = process.arch === 'x64' ? 12 : 16;

type Call = (...values: number[]) => number;

/** The functions of libc, bound once per thread. */
function bind() {
  const libc = koffi.load(null);
  const call = (prototype: string): Call => libc.func(prototype);
  return {
    errnoLocation: call('uintptr_t __errno_location()'),
    epoll_create1: call('int epoll_create1(int)'),
    epoll_ctl: call('int epoll_ctl(int, int, int, uintptr_t)'),
    epoll_wait: call('int epoll_wait(int, uintptr_t, int, int)'),
    eventfd: call('int eventfd(uint, int)'),
    timerfd_create: call('int timerfd_create(int, int)'),
    timerfd_settime: call('int timerfd_settime(int, int, uintptr_t, uintptr_t)'),
    socket: call('int socket(int, int, int)'),
    bind: call('int bind(int, uintptr_t, uint)'),
    listen: call('int listen(int, int)'),
    accept4: call('int accept4(int, uintptr_t, uintptr_t, int)'),
    connect: call('int connect(int, uintptr_t, uint)'),
    getsockname: call('int getsockname(int, uintptr_t, uintptr_t)'),
    getpeername: call('int getpeername(int, uintptr_t, uintptr_t)'),
    setsockopt: call('int setsockopt(int, int, int, uintptr_t, uint)'),
    getsockopt: call('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    shutdown: call('int shutdown(int, int)'),
    read: call('int read(int, uintptr_t, uintptr_t)'),
    write: call('int write(int, uintptr_t, uintptr_t)'),
    recv: call('int recv(int, uintptr_t, uintptr_t, int)'),
    send: call('int send(int, uintptr_t, uintptr_t, int)'),
    close: call('int close(int)'),
    fcntl: libc.func('int fcntl(int, int, ...)') as (fd: number, op: number, ...rest: unknown[]) => number,
    dup3: call('int dup3(int, int, int)'),
    getpid: call('int getpid()'),
    sched_yield: call('int sched_yield()'),
    syscall: libc.func('long syscall(long, ...)') as (number: number) => number,
    getrlimit: call('int getrlimit(int, uintptr_t)'),
  };
}

const SYS_GETTID: Readonly<Record<string, number>> = { x64: 186, arm64: 178 };

/** libc of this thread. */
export class Libc implements Native {
  readonly events: EventShape =
    EPOLL_EVENT_BYTES === 12
      ? { stride: 3, index: 1, generation: 2 }
      : { stride: 4, index: 2, generation: 3 };

  readonly #c = bind();
  readonly #errno: Int32Array;
  readonly #memory: Memory;
  /** Argument area for structures: the event of epoll_ctl, socket options, addresses. Not re-entrant, and need not be. */
  readonly #area: Region;
  readonly #words: Int32Array;
  readonly #one: Region;

  constructor() {
    this.#memory = new Memory((bytes) => Number(koffi.address(bytes)));
    this.#errno = new Int32Array(koffi.view(this.#c.errnoLocation(), 4));
    this.#area = this.#memory.allocate(SOCKADDR_BYTES + 16);
    this.#words = new Int32Array(
      this.#area.bytes.buffer,
      this.#area.bytes.byteOffset,
      this.#area.bytes.byteLength / 4,
    );
    this.#one = this.#memory.allocate(8);
    this.#one.bytes[0] = 1;
  }

  memory(byteLength: number): Region {
    return this.#memory.allocate(byteLength);
  }

  adopt(buffer: SharedArrayBuffer): number {
    return this.#memory.adopt(buffer);
  }

  epollCreate(): number {
    return this.#result(this.#c.epoll_create1(CLOEXEC));
  }

  epollControl(
    set: number,
    op: EpollOp,
    fd: number,
    bits: number,
    index: number,
    generation: number,
  ): number {
    this.#words[0] = bits;
    this.#words[this.events.index] = index;
    this.#words[this.events.generation] = generation;
    return this.#result(this.#c.epoll_ctl(set, op, fd, this.#area.address));
  }

  epollWait(set: number, address: number, max: number, timeoutMs: number): number {
    return this.#result(this.#c.epoll_wait(set, address, max, timeoutMs));
  }

  eventfd(): number {
    return this.#result(this.#c.eventfd(0, CLOEXEC | O_NONBLOCK));
  }

  signal(eventfd: number): number {
    return this.#result(this.#c.write(eventfd, this.#one.address, 8));
  }

  timer(): number {
    return this.#result(this.#c.timerfd_create(CLOCK_MONOTONIC, CLOEXEC | O_NONBLOCK));
  }

  setTimer(timer: number, ms: number): number {
    // struct itimerspec: interval, then value; seconds and nanoseconds of 64 bits each.
    // Nothing, and what is no number, would end it.
    const ns = Math.max(1, Math.ceil(ms * NS_PER_MS) || 1);
    this.#words.fill(0, 0, 8);
    this.#words[4] = Math.floor(ns / NS_PER_SECOND);
    this.#words[6] = ns % NS_PER_SECOND;
    return this.#result(this.#c.timerfd_settime(timer, 0, this.#area.address, 0));
  }

  socketStream(family: 'IPv4' | 'IPv6' | 'unix'): number {
    const domain = family === 'IPv4' ? AF_INET : family === 'IPv6' ? AF_INET6 : AF_UNIX;
    return this.#result(this.#c.socket(domain, SOCK_STREAM | CLOEXEC | O_NONBLOCK, 0));
  }

  bind(fd: number, address: SocketAddress): number {
    const length = encodeAddress(this.#area.bytes, address);
    return length === undefined ? -EINVAL : this.#result(this.#c.bind(fd, this.#area.address, length));
  }

  listen(fd: number, backlog: number): number {
    return this.#result(this.#c.listen(fd, backlog));
  }

  accept(fd: number): number {
    return this.#result(this.#c.accept4(fd, 0, 0, CLOEXEC | O_NONBLOCK));
  }

  connect(fd: number, address: SocketAddress): number {
    const length = encodeAddress(this.#area.bytes, address);
    return length === undefined ? -EINVAL : this.#result(this.#c.connect(fd, this.#area.address, length));
  }

  localAddress(fd: number): SocketAddress | number {
    return this.#addressBy(this.#c.getsockname, fd);
  }

  peerAddress(fd: number): SocketAddress | number {
    return this.#addressBy(this.#c.getpeername, fd);
  }

  shutdown(fd: number, how: number): number {
    return this.#result(this.#c.shutdown(fd, how));
  }

  setReuseAddress(fd: number, on: boolean): number {
    return this.#setOption(fd, SOL_SOCKET, SO_REUSEADDR, Number(on));
  }

  setIpv6Only(fd: number, on: boolean): number {
    return this.#setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, Number(on));
  }

  setNoDelay(fd: number, on: boolean): number {
    return this.#setOption(fd, IPPROTO_TCP, TCP_NODELAY, Number(on));
  }

  setKeepAlive(fd: number, idleSeconds: number): number {
    const result = this.#setOption(fd, SOL_SOCKET, SO_KEEPALIVE, Number(idleSeconds > 0));
    if (result < 0 || idleSeconds === 0) return result;
    return this.#setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, idleSeconds);
  }

  setResetOnClose(fd: number): number {
    this.#words[0] = 1;
    this.#words[1] = 0;
    return this.#result(this.#c.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#area.address, 8));
  }

  takeError(fd: number): number {
    this.#words[0] = 0;
    this.#words[1] = 4;
    const result = this.#result(
      this.#c.getsockopt(fd, SOL_SOCKET, SO_ERROR, this.#area.address, this.#area.address + 4),
    );
    return result < 0 ? result : (this.#words[0] ?? 0);
  }

  read(fd: number, address: number, length: number): number {
    const result = this.#c.read(fd, address, length);
    return result < 0 ? -(this.#errno[0] ?? 0) : result;
  }

  write(fd: number, address: number, length: number): number {
    const result = this.#c.write(fd, address, length);
    return result < 0 ? -(this.#errno[0] ?? 0) : result;
  }

  receive(fd: number, address: number, length: number): number {
    const result = this.#c.recv(fd, address, length, 0);
    return result < 0 ? -(this.#errno[0] ?? 0) : result;
  }

  send(fd: number, address: number, length: number): number {
    const result = this.#c.send(fd, address, length, MSG_NOSIGNAL);
    return result < 0 ? -(this.#errno[0] ?? 0) : result;
  }

  close(fd: number): number {
    return this.#result(this.#c.close(fd));
  }

  statusFlags(fd: number): number {
    return this.#result(this.#c.fcntl(fd, F_GETFL));
  }

  setNonBlocking(fd: number): number {
    const flags = this.statusFlags(fd);
    if (flags < 0 || (flags & O_NONBLOCK) !== 0) return Math.min(flags, 0);
    return this.#result(this.#c.fcntl(fd, F_SETFL, 'int', flags | O_NONBLOCK));
  }

  duplicate(fd: number, lowest: number): number {
    return this.#result(this.#c.fcntl(fd, F_DUPFD_CLOEXEC, 'int', lowest));
  }

  replace(number: number, fd: number): number {
    return this.#result(this.#c.dup3(fd, number, CLOEXEC));
  }

  threadId(): number {
    const number = SYS_GETTID[process.arch];
    return number === undefined ? this.#c.getpid() : this.#c.syscall(number);
  }

  yieldThread(): void {
    this.#c.sched_yield();
  }

  openFilesLimit(): number {
    if (this.#c.getrlimit(RLIMIT_NOFILE, this.#area.address) < 0) return Number.POSITIVE_INFINITY;
    const [low = 0, high = 0] = this.#words;
    return high === -1 && low === -1 ? Number.POSITIVE_INFINITY : (high >>> 0) * 2 ** 32 + (low >>> 0);
  }

  #addressBy(get: Call, fd: number): SocketAddress | number {
    const lengthAt = SOCKADDR_BYTES / 4;
    this.#words[lengthAt] = SOCKADDR_BYTES;
    const result = this.#result(get(fd, this.#area.address, this.#area.address + SOCKADDR_BYTES));
    if (result < 0) return result;
    return decodeAddress(this.#area.bytes, this.#words[lengthAt] ?? 0) ?? -EINVAL;
  }

  #setOption(fd: number, level: number, option: number, value: number): number {
    this.#words[0] = value;
    return this.#result(this.#c.setsockopt(fd, level, option, this.#area.address, 4));
  }

  #result(value: number): number {
    return value < 0 ? -(this.#errno[0] ?? 0) : value;
  }
}

let instance: Libc | undefined;

/** The native layer of this thread. */
export function openNative(): Native {
  if (instance !== undefined) return instance;
  if (process.platform !== 'linux') {
    throw makeErrorFrom(undefined, 'ERR_WAKEONE_UNSUPPORTED', `this is ${process.platform}`);
  }
  try {
    instance = new Libc();
  } catch (error) {
    throw makeErrorFrom(
      error,
      'ERR_WAKEONE_UNSUPPORTED',
      error instanceof Error ? error.message : String(error),
    );
  }
  return instance;
}
