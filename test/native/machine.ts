/**
 * The machines that the contract tests run on: the fake kernel, and this one through libc. Both have the same native layer
 * and, beside it, what only tests need: clients, pairs, pipes, files.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { FakeNative } from '../../src/native/fake.ts';
import { Epoll, EpollOp, type Native, openNative, type SocketAddress } from '../../src/native/index.ts';
import { encodeAddress, SOCKADDR_BYTES } from '../../src/native/sockaddr.ts';

export type Event = { readonly bits: number; readonly index: number; readonly generation: number };

const MOST_EVENTS = 16;
/** Far more than loopback needs; a test that waits so long has failed. */
const PATIENCE_MS = 5000;
const AREA_BYTES = 1 << 16;

export abstract class Machine {
  readonly native: Native;
  readonly #opened = new Set<number>();
  readonly #area;
  readonly #events;

  constructor(native: Native) {
    this.native = native;
    this.#area = native.memory(AREA_BYTES);
    this.#events = native.memory(MOST_EVENTS * 16);
  }

  protected abstract connectTo(address: SocketAddress): number;
  protected abstract makePair(): [number, number];
  protected abstract makePipe(): [number, number];
  protected abstract makeFile(): number;
  /** A path for an AF_UNIX socket that nothing has used. */
  abstract path(): string;

  /** A client, or a negated errno. */
  connect(address: SocketAddress): number {
    return this.own(this.connectTo(address));
  }

  pair(): [number, number] {
    return this.#ownBoth(this.makePair());
  }

  pipe(): [number, number] {
    return this.#ownBoth(this.makePipe());
  }

  file(): number {
    return this.own(this.makeFile());
  }

  /** Closes `fd` at the end, unless the test does. */
  own(fd: number): number {
    if (fd >= 0) this.#opened.add(fd);
    return fd;
  }

  close(fd: number): void {
    this.#opened.delete(fd);
    const result = this.native.close(fd);
    if (result !== 0) throw new Error(`close(${fd}): ${result}`);
  }

  cleanUp(): void {
    for (const fd of this.#opened) this.native.close(fd);
  }

  set(): number {
    return this.own(this.native.epollCreate());
  }

  eventfd(): number {
    return this.own(this.native.eventfd());
  }

  add(set: number, fd: number, bits: number, index = fd, generation = 0): number {
    return this.native.epollControl(set, EpollOp.ADD, fd, bits, index, generation);
  }

  modify(set: number, fd: number, bits: number, index = fd, generation = 0): number {
    return this.native.epollControl(set, EpollOp.MOD, fd, bits, index, generation);
  }

  remove(set: number, fd: number): number {
    return this.native.epollControl(set, EpollOp.DEL, fd, 0, 0, 0);
  }

  /** What one epoll_wait that does not wait returns. */
  events(set: number, max = MOST_EVENTS, timeoutMs = 0): Event[] {
    const count = this.native.epollWait(set, this.#events.address, max, timeoutMs);
    if (count < 0) throw new Error(`epoll_wait: ${count}`);
    const { stride, index, generation } = this.native.events;
    const { buffer, byteOffset } = this.#events.bytes;
    const words = new Int32Array(buffer, byteOffset, (MOST_EVENTS * 16) / 4);
    return Array.from({ length: count }, (_, i) => ({
      bits: words[i * stride] ?? 0,
      index: words[i * stride + index] ?? 0,
      generation: words[i * stride + generation] ?? 0,
    }));
  }

  /** The bits of the one event that comes; waits for the network, which answers in its own time. */
  event(set: number): number {
    const events = this.events(set, MOST_EVENTS, PATIENCE_MS);
    if (events.length !== 1) throw new Error(`expected one event, got ${JSON.stringify(events)}`);
    return events[0]?.bits ?? 0;
  }

  /** Waits until all of `bits` are true of `fd`; returns all that are. */
  ready(fd: number, bits: number): number {
    const set = this.native.epollCreate();
    const deadline = Date.now() + PATIENCE_MS;
    let seen = 0;
    // Asking for everything returns at once with what there is, so each round is one look.
    this.add(set, fd, Epoll.IN | Epoll.OUT | Epoll.RDHUP | Epoll.PRI | Epoll.EDGE);
    while ((seen & bits) !== bits && Date.now() < deadline) {
      seen = this.events(set, MOST_EVENTS, deadline - Date.now())[0]?.bits ?? 0;
    }
    this.native.close(set);
    if ((seen & bits) !== bits) throw new Error(`fd ${fd} is not ready: ${seen} for ${bits}`);
    return seen;
  }

  /** Writes bytes; what write() returned. */
  write(fd: number, bytes: Uint8Array | string): number {
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.#area.bytes.set(data);
    return this.native.write(fd, this.#area.address, data.length);
  }

  /** Reads up to `length` bytes: the bytes, or what read() returned if that is negative. */
  readBytes(fd: number, length = AREA_BYTES): Buffer | number {
    const count = this.native.read(fd, this.#area.address, length);
    return count < 0 ? count : Buffer.from(this.#area.bytes.slice(0, count));
  }

  /** As readBytes, as text. */
  read(fd: number, length?: number): string | number {
    const bytes = this.readBytes(fd, length);
    return typeof bytes === 'number' ? bytes : bytes.toString();
  }

  #ownBoth([one, other]: [number, number]): [number, number] {
    return [this.own(one), this.own(other)];
  }
}

export class FakeMachine extends Machine {
  readonly fake: FakeNative;
  #paths = 0;

  constructor(fake: FakeNative = new FakeNative()) {
    super(fake);
    this.fake = fake;
  }

  path(): string {
    return `/fake/${this.#paths++}`;
  }

  protected connectTo(address: SocketAddress): number {
    return this.fake.client(address);
  }

  protected makePair(): [number, number] {
    return this.fake.socketPair();
  }

  protected makePipe(): [number, number] {
    return this.fake.pipe();
  }

  protected makeFile(): number {
    return this.fake.openFile();
  }
}

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;

/** This machine. */
export class RealMachine extends Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'wakeone-contract-'));
  readonly #address = this.native.memory(SOCKADDR_BYTES);
  readonly #libc = koffi.load(null);
  readonly #socket = this.#libc.func('int socket(int, int, int)');
  readonly #connect = this.#libc.func('int connect(int, uintptr_t, uint)');
  readonly #socketPair = this.#libc.func('int socketpair(int, int, int, uintptr_t)');
  readonly #pipe = this.#libc.func('int pipe2(uintptr_t, int)');
  #paths = 0;

  constructor() {
    super(openNative());
  }

  path(): string {
    return join(this.#folder, `${this.#paths++}`);
  }

  override cleanUp(): void {
    super.cleanUp();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  protected connectTo(address: SocketAddress): number {
    const unix = address.family === 'unix';
    const length = encodeAddress(this.#address.bytes, address);
    // AF_UNIX answers at once, and a full backlog with EAGAIN; TCP on loopback is quick to wait for.
    const flags = SOCK_STREAM | CLOEXEC | (unix ? O_NONBLOCK : 0);
    const fd = this.#socket(unix ? AF_UNIX : AF_INET, flags, 0) as number;
    const result = this.#connect(fd, this.#address.address, length) as number;
    const errno = koffi.errno();
    this.native.setNonBlocking(fd);
    if (result === 0) return fd;
    closeSync(fd);
    return -errno;
  }

  protected makePair(): [number, number] {
    this.#socketPair(AF_UNIX, SOCK_STREAM | CLOEXEC | O_NONBLOCK, 0, this.#address.address);
    return this.#two();
  }

  protected makePipe(): [number, number] {
    this.#pipe(this.#address.address, CLOEXEC | O_NONBLOCK);
    return this.#two();
  }

  protected makeFile(): number {
    return openSync(import.meta.filename, 'r');
  }

  #two(): [number, number] {
    const { buffer, byteOffset } = this.#address.bytes;
    const [one = -1, other = -1] = new Int32Array(buffer, byteOffset, 2);
    return [one, other];
  }
}
