/**
 * System calls that tests need and the library does not: they make the descriptors that users may bring. The only file
 * outside of src/native that imports koffi (`.tools/check-imports.mjs` knows it by name).
 *
 * Everything throws on failure, except what a test wants to see fail: those return the negated errno.
 */
import koffi from 'koffi';

const O_NONBLOCK = 0o4000;
const CLOEXEC = 0o2000000;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const CLOCK_MONOTONIC = 1;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const MSG_OOB = 1;
const MSG_DONTWAIT = 0x40;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const FIONREAD = 0x541b;
const O_RDWR = 2;
const O_NOCTTY = 0o400;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_DETACH = 17;
const WAIT_ALL = 0x40000000;
const SYS_PIDFD_OPEN = 434;
const SYS_TGKILL = process.arch === 'x64' ? 234 : 131;
const SIGNAL_SET_BYTES = 128;

type Call = (...values: unknown[]) => number;

const library = koffi.load(null);
const declare = (prototype: string): Call => library.func(prototype);
const libc = {
  pipe2: declare('int pipe2(void *, int)'),
  socketpair: declare('int socketpair(int, int, int, void *)'),
  socket: declare('int socket(int, int, int)'),
  bind: declare('int bind(int, void *, uint)'),
  connect: declare('int connect(int, void *, uint)'),
  timerfd_create: declare('int timerfd_create(int, int)'),
  timerfd_settime: declare('int timerfd_settime(int, int, void *, void *)'),
  signalfd: declare('int signalfd(int, void *, int)'),
  sigemptyset: declare('int sigemptyset(void *)'),
  sigaddset: declare('int sigaddset(void *, int)'),
  pthread_sigmask: declare('int pthread_sigmask(int, void *, void *)'),
  ioctl: declare('int ioctl(int, ulong, ...)'),
  open: declare('int open(const char *, int, ...)'),
  send: declare('int send(int, void *, uintptr_t, int)'),
  read: declare('int read(int, void *, uintptr_t)'),
  write: declare('int write(int, const void *, uintptr_t)'),
  dup2: declare('int dup2(int, int)'),
  ptrace: declare('long ptrace(int, int, uintptr_t, uintptr_t)'),
  waitpid: declare('int waitpid(int, void *, int)'),
  syscall: declare('long syscall(long, ...)'),
  shutdown: declare('int shutdown(int, int)'),
};

function check(syscall: string, result: number): number {
  if (result >= 0) return result;
  throw new Error(`${syscall}: errno ${koffi.errno()}`);
}

const orErrno = (result: number): number => (result < 0 ? -koffi.errno() : result);

function pair(fill: (words: Buffer) => void): [number, number] {
  const words = Buffer.alloc(8);
  fill(words);
  return [words.readInt32LE(0), words.readInt32LE(4)];
}

/** A pipe, non-blocking: [read end, write end]. */
export function pipe(): [number, number] {
  return pair((words) => check('pipe2', libc.pipe2(words, O_NONBLOCK | CLOEXEC)));
}

/** Two connected AF_UNIX sockets, non-blocking. */
export function socketPair(type: 'stream' | 'datagram' = 'stream'): [number, number] {
  const kind = (type === 'stream' ? SOCK_STREAM : SOCK_DGRAM) | O_NONBLOCK | CLOEXEC;
  return pair((words) => check('socketpair', libc.socketpair(AF_UNIX, kind, 0, words)));
}

function loopback(port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.writeUInt32BE(0x7f000001, 4);
  return address;
}

/** A UDP socket on the loopback interface, on a port that the kernel chose. */
export function udpSocket(): number {
  const fd = check('socket', libc.socket(AF_INET, SOCK_DGRAM | O_NONBLOCK | CLOEXEC, 0));
  check('bind', libc.bind(fd, loopback(0), 16));
  return fd;
}

/** A TCP socket that is neither bound nor connected. */
export function tcpSocket(): number {
  return check('socket', libc.socket(AF_INET, SOCK_STREAM | O_NONBLOCK | CLOEXEC, 0));
}

/** Connects to a port of the loopback interface; 0 or a negated errno. */
export function connect(fd: number, port: number): number {
  return orErrno(libc.connect(fd, loopback(port), 16));
}

/** A timerfd that has not been set. */
export function timerfd(): number {
  return check('timerfd_create', libc.timerfd_create(CLOCK_MONOTONIC, O_NONBLOCK | CLOEXEC));
}

/** Lets a timerfd expire once, after `ms`. */
export function setTimer(fd: number, ms: number): void {
  const spec = Buffer.alloc(32);
  spec.writeBigInt64LE(BigInt(Math.floor(ms / 1000)), 16);
  spec.writeBigInt64LE(BigInt(Math.floor((ms % 1000) * 1e6)), 24);
  check('timerfd_settime', libc.timerfd_settime(fd, 0, spec, null));
}

function signalSet(signal: number): Buffer {
  const set = Buffer.alloc(SIGNAL_SET_BYTES);
  libc.sigemptyset(set);
  libc.sigaddset(set, signal);
  return set;
}

/** Blocks a signal in this thread; threads that it starts inherit that. */
export function blockSignal(signal: number): void {
  check('pthread_sigmask', -libc.pthread_sigmask(SIG_BLOCK, signalSet(signal), null));
}

export function unblockSignal(signal: number): void {
  check('pthread_sigmask', -libc.pthread_sigmask(SIG_UNBLOCK, signalSet(signal), null));
}

export function signalfd(signal: number): number {
  return check('signalfd', libc.signalfd(-1, signalSet(signal), O_NONBLOCK | CLOEXEC));
}

/** Sends a signal to one thread, of this process or another. */
export function signalThread(thread: number, signal: number, group: number = process.pid): void {
  check('tgkill', libc.syscall(SYS_TGKILL, 'int', group, 'int', thread, 'int', signal));
}

export function pidfd(pid: number): number {
  return check('pidfd_open', libc.syscall(SYS_PIDFD_OPEN, 'int', pid, 'int', O_NONBLOCK));
}

/** A pseudo terminal: [master, slave]. */
export function pty(): [number, number] {
  const flags = O_RDWR | O_NOCTTY | O_NONBLOCK | CLOEXEC;
  const master = check('open', libc.open('/dev/ptmx', flags));
  check('ioctl', libc.ioctl(master, TIOCSPTLCK, 'void *', Buffer.alloc(4)));
  return [master, check('ioctl', libc.ioctl(master, TIOCGPTPEER, 'int', flags))];
}

/** Puts `fd`'s file under the number `onto` as well, closing what was there. */
export function duplicateOnto(fd: number, onto: number): void {
  check('dup2', libc.dup2(fd, onto));
}

/** Sends one byte of urgent data. */
export function sendUrgent(fd: number, byte: number): void {
  check('send', libc.send(fd, Buffer.of(byte), 1, MSG_OOB | MSG_DONTWAIT));
}

/** Bytes written, or a negated errno. */
export function write(fd: number, bytes: Uint8Array): number {
  return orErrno(libc.write(fd, bytes, bytes.length));
}

/** Bytes that wait to be read (FIONREAD). */
export function unread(fd: number): number {
  const count = Buffer.alloc(4);
  check('ioctl', libc.ioctl(fd, FIONREAD, 'void *', count));
  return count.readInt32LE(0);
}

/** Bytes read into `bytes`, or a negated errno. */
export function read(fd: number, bytes: Uint8Array): number {
  return orErrno(libc.read(fd, bytes, bytes.length));
}

/** 0: no more reads, 1: FIN, 2: both. */
export function shutdown(fd: number, how: 0 | 1 | 2): void {
  check('shutdown', libc.shutdown(fd, how));
}

/**
 * Attaches to a thread of a child as a debugger does, stops it and lets it go. All in one go: libuv must not see that the
 * child has stopped, it would take it for dead.
 */
export function traceBriefly(thread: number): void {
  check('ptrace', libc.ptrace(PTRACE_SEIZE, thread, 0, 0));
  check('ptrace', libc.ptrace(PTRACE_INTERRUPT, thread, 0, 0));
  check('waitpid', libc.waitpid(thread, Buffer.alloc(4), WAIT_ALL));
  check('ptrace', libc.ptrace(PTRACE_DETACH, thread, 0, 0));
}
