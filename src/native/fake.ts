/**
 * The native layer without a kernel: files in memory, one thread, no time. For tests; `test/native/contract.test.ts` runs
 * the same tests against this and against libc, so what it does is what Linux does.
 *
 * F1  A call that would block for ever throws: there is nobody else who could end it. `onWait` may do something first.
 * F2  An address that is not of this instance's memory is EFAULT: contract C2 is checked at each call.
 * F3  The lowest free number is given out, from `firstFd`; numbers below `maxOpenFiles` may be open, then EMFILE.
 * F4  Time passes only in a wait that nothing ends: as much as that wait takes.
 */
import type { EpollOp, EventShape, Native, Region, SocketAddress } from './contract.ts';
import { Errno } from './contract.ts';
import { EpollFile, writeEvents } from './fake-epoll.ts';
import { EventFile, type FakeFile, PipeReader, PipeWriter, RegularFile, TimerFile } from './fake-files.ts';
import { FakeMemory } from './fake-memory.ts';
import { FakeNetwork } from './fake-network.ts';
import { type FakeCall, FakeScript, type FakeTransfer } from './fake-script.ts';
import { type Family, StreamSocket } from './fake-sockets.ts';
import { FakeTable } from './fake-table.ts';

const EFAULT = -14;
const ENOPROTOOPT = -92;
const O_NONBLOCK = 0o4000;
const THREAD_ID = 1;
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

export type { FakeCall } from './fake-script.ts';

export type FakeOptions = {
  readonly maxOpenFiles?: number;
  readonly firstFd?: number;
  /** Bytes that a pipe or one direction of a connection holds. */
  readonly capacity?: number;
  readonly events?: EventShape;
};

export class FakeNative extends FakeScript implements Native {
  readonly events: EventShape;
  readonly #capacity: number;
  readonly #table: FakeTable;
  readonly #network: FakeNetwork;
  readonly #memory = new FakeMemory();
  readonly #timers = new Set<TimerFile>();
  #nowMs = 0;

  constructor(options: FakeOptions = {}) {
    super();
    this.events = options.events ?? { stride: 3, index: 1, generation: 2 };
    this.#capacity = options.capacity ?? 64 * 1024;
    this.#table = new FakeTable(options.firstFd ?? 3, options.maxOpenFiles ?? 1024);
    this.#network = new FakeNetwork(this.#capacity);
  }

  /** RLIMIT_NOFILE: numbers from here on are EMFILE. */
  set maxOpenFiles(limit: number) {
    this.#table.limit = limit;
  }

  /** Numbers that are open. */
  get openFds(): number[] {
    return this.#table.numbers;
  }

  /** socketpair(): two connected AF_UNIX sockets. */
  socketPair(): [number, number] {
    const [one, other] = this.#network.pair();
    return [this.#table.open(one), this.#table.open(other)];
  }

  /** pipe2(O_NONBLOCK): read end, write end. */
  pipe(): [number, number] {
    const reader = new PipeReader(this.#capacity);
    return [this.#table.open(reader), this.#table.open(new PipeWriter(reader))];
  }

  /** A file on disk. */
  openFile(): number {
    return this.#table.open(new RegularFile());
  }

  /** A client: a connected socket, or a negated errno. */
  client(address: SocketAddress): number {
    const client = this.#network.client(address);
    return typeof client === 'number' ? client : this.#table.open(client);
  }

  memory(byteLength: number): Region {
    return this.#memory.allocate(byteLength);
  }

  adopt(buffer: SharedArrayBuffer): number {
    return this.#memory.adopt(buffer);
  }

  epollCreate(): number {
    return this.enter('epollCreate') || this.#table.open(new EpollFile());
  }

  epollControl(
    set: number,
    op: EpollOp,
    fd: number,
    bits: number,
    index: number,
    generation: number,
  ): number {
    const failed = this.enter('epollControl', set, op, fd, bits, index, generation);
    if (failed !== 0) return failed;
    const epoll = this.#table.get(set);
    const file = this.#table.get(fd);
    if (epoll === undefined || file === undefined) return Errno.EBADF;
    if (!file.pollable) return Errno.EPERM;
    if (epoll === file || !(epoll instanceof EpollFile)) return Errno.EINVAL;
    return epoll.control(op, fd, file, { bits, index, generation });
  }

  epollWait(set: number, address: number, max: number, timeoutMs: number): number {
    const failed = this.enter('epollWait', set, address, max, timeoutMs);
    if (failed !== 0) return failed;
    if (max <= 0) return Errno.EINVAL;
    const epoll = this.#table.get(set);
    if (epoll === undefined) return Errno.EBADF;
    if (!(epoll instanceof EpollFile)) return Errno.EINVAL;
    const into = this.#memory.at(address, max * this.events.stride * 4);
    if (into === undefined) return EFAULT;
    let events = epoll.collect(max);
    if (events.length === 0 && timeoutMs !== 0) {
      this.onWait?.(timeoutMs);
      events = epoll.collect(max);
      if (events.length === 0 && this.#passTime(timeoutMs)) events = epoll.collect(max);
      if (events.length === 0 && timeoutMs < 0) throw new Error('fake: epoll_wait would wait for ever');
    }
    writeEvents(into, this.events, events);
    return events.length;
  }

  eventfd(): number {
    return this.enter('eventfd') || this.#table.open(new EventFile());
  }

  signal(eventfd: number): number {
    return this.enter('signal', eventfd) || (this.#table.get(eventfd)?.write(ONE) ?? Errno.EBADF);
  }

  timer(): number {
    const failed = this.enter('timer');
    if (failed !== 0) return failed;
    const timer = new TimerFile();
    this.#timers.add(timer);
    return this.#table.open(timer);
  }

  setTimer(fd: number, ms: number): number {
    const failed = this.enter('setTimer', fd, ms);
    if (failed !== 0) return failed;
    const timer = this.#table.get(fd);
    if (timer === undefined) return Errno.EBADF;
    if (!(timer instanceof TimerFile)) return Errno.EINVAL;
    timer.set(this.#nowMs + ms);
    return 0;
  }

  /** Until the next timer expires, or for `timeoutMs` (-1: for ever). False if none has expired. */
  #passTime(timeoutMs: number): boolean {
    const until = timeoutMs < 0 ? Number.POSITIVE_INFINITY : this.#nowMs + timeoutMs;
    const at = Math.min(until, ...[...this.#timers].map(({ dueMs }) => dueMs));
    if (at === Number.POSITIVE_INFINITY) return false;
    this.#nowMs = at;
    const expired = [...this.#timers].filter(({ dueMs }) => dueMs <= at);
    for (const timer of expired) timer.expire();
    return expired.length > 0;
  }

  socketStream(family: Family): number {
    return this.enter('socketStream', family) || this.#table.open(this.#network.socket(family));
  }

  bind(fd: number, address: SocketAddress): number {
    return this.#onSocket('bind', fd, (socket) => this.#network.bind(socket, address));
  }

  listen(fd: number, backlog: number): number {
    return this.#onSocket('listen', fd, (socket) => this.#network.listen(socket, backlog));
  }

  accept(fd: number): number {
    return this.#onSocket('accept', fd, (socket) => {
      // The number is taken before the backlog is looked at, so EMFILE comes even when nobody waits.
      if (this.#table.isFull) return Errno.EMFILE;
      const accepted = socket.accept();
      return typeof accepted === 'number' ? accepted : this.#table.open(accepted);
    });
  }

  connect(fd: number, address: SocketAddress): number {
    return this.#onSocket('connect', fd, (socket) => this.#network.connect(socket, address));
  }

  localAddress(fd: number): SocketAddress | number {
    return this.#onSocket('localAddress', fd, (socket) => this.#network.localAddress(socket));
  }

  peerAddress(fd: number): SocketAddress | number {
    return this.#onSocket('peerAddress', fd, (socket) => this.#network.peerAddress(socket));
  }

  shutdown(fd: number, how: number): number {
    return this.#onSocket('shutdown', fd, (socket) => socket.shutdown(how));
  }

  setReuseAddress(fd: number, _on: boolean): number {
    return this.#onSocket('setReuseAddress', fd, () => 0);
  }

  setIpv6Only(fd: number, _on: boolean): number {
    return this.#onSocket('setIpv6Only', fd, ({ family }) => {
      if (family === 'unix') return Errno.EOPNOTSUPP;
      return family === 'IPv6' ? 0 : ENOPROTOOPT;
    });
  }

  setNoDelay(fd: number, _on: boolean): number {
    return this.#onSocket('setNoDelay', fd, ({ isTcp }) => (isTcp ? 0 : Errno.EOPNOTSUPP));
  }

  setKeepAlive(fd: number, idleSeconds: number): number {
    return this.#onSocket('setKeepAlive', fd, ({ isTcp }) =>
      isTcp || idleSeconds === 0 ? 0 : Errno.EOPNOTSUPP,
    );
  }

  setResetOnClose(fd: number): number {
    return this.#onSocket('setResetOnClose', fd, (socket) => {
      socket.resetOnClose = true;
      return 0;
    });
  }

  takeError(fd: number): number {
    return this.#onSocket('takeError', fd, (socket) => Math.abs(socket.takeError()));
  }

  read(fd: number, address: number, length: number): number {
    return this.#move('read', fd, address, length, (file, bytes) => file.read(bytes));
  }

  write(fd: number, address: number, length: number): number {
    return this.#move('write', fd, address, length, (file, bytes) => file.write(bytes));
  }

  receive(fd: number, address: number, length: number): number {
    return this.#move('receive', fd, address, length, (file, bytes) => file.read(bytes));
  }

  send(fd: number, address: number, length: number): number {
    return this.#move('send', fd, address, length, (file, bytes) => file.write(bytes));
  }

  close(fd: number): number {
    const failed = this.enter('close', fd);
    if (failed !== 0) return failed;
    const file = this.#table.close(fd);
    if (file instanceof StreamSocket && file.references === 0) this.#network.forget(file);
    return file === undefined ? Errno.EBADF : 0;
  }

  statusFlags(fd: number): number {
    const file = this.#table.get(fd);
    const flags = file === undefined ? Errno.EBADF : file.access | (file.nonBlocking ? O_NONBLOCK : 0);
    return this.enter('statusFlags', fd) || flags;
  }

  setNonBlocking(fd: number): number {
    const file = this.#table.get(fd);
    if (file === undefined) return Errno.EBADF;
    file.nonBlocking = true;
    return 0;
  }

  duplicate(fd: number, lowest: number): number {
    const failed = this.enter('duplicate', fd, lowest);
    if (failed !== 0) return failed;
    const file = this.#table.get(fd);
    if (file === undefined) return Errno.EBADF;
    return lowest < this.#table.limit ? this.#table.open(file, lowest) : Errno.EINVAL;
  }

  replace(number: number, fd: number): number {
    const failed = this.enter('replace', number, fd);
    if (failed !== 0) return failed;
    const file = this.#table.get(fd);
    if (file === undefined) return Errno.EBADF;
    return number === fd ? Errno.EINVAL : this.#table.replace(number, file);
  }

  threadId(): number {
    return THREAD_ID;
  }

  yieldThread(): void {
    // Its threads take turns as the test has them.
  }

  openFilesLimit(): number {
    return this.#table.limit;
  }

  #onSocket<T>(call: FakeCall, fd: number, act: (socket: StreamSocket) => T): T | number {
    const failed = this.enter(call, fd);
    if (failed !== 0) return failed;
    const file = this.#table.get(fd);
    if (file === undefined) return Errno.EBADF;
    return file instanceof StreamSocket ? act(file) : Errno.ENOTSOCK;
  }

  #move(
    call: FakeTransfer,
    fd: number,
    address: number,
    length: number,
    act: (file: FakeFile, bytes: Uint8Array) => number,
  ): number {
    const failed = this.enter(call, fd, address, length);
    if (failed !== 0) return failed;
    const file = this.#table.get(fd);
    if (file === undefined) return Errno.EBADF;
    const socketsOnly = call === 'receive' || call === 'send';
    if (socketsOnly && !(file instanceof StreamSocket)) return Errno.ENOTSOCK;
    const bytes = this.#memory.at(address, length);
    if (bytes === undefined) return EFAULT;
    const most = this.limit(call, length);
    const result = act(file, bytes.subarray(0, most));
    if (result === Errno.EAGAIN && !file.nonBlocking) throw new Error(`fake: ${call} would block for ever`);
    return result;
  }
}
