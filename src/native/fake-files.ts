/**
 * Open files of the fake kernel: what every one of them has, and the simple kinds. `ready()` is the file's poll
 * function, `wake()` its wait queue; an epoll item is what waits there.
 */
import { Epoll, Errno } from './contract.ts';

/** Somebody who is told that a file's readiness may have changed; an item of an epoll set. */
export interface Watcher {
  /** `key` are the bits that the change is about, 0 for any. */
  woken(key: number): void;
  /** The file is gone: its last descriptor, in any table, was closed. */
  dropped(): void;
}

export abstract class FakeFile {
  /** Descriptors that refer to it. */
  references = 0;
  nonBlocking = true;
  readonly watchers: Set<Watcher> = new Set();

  /** Epoll bits that are true now. */
  abstract ready(): number;

  /** Whether it can be put into an epoll set. */
  get pollable(): boolean {
    return true;
  }

  /** F_GETFL's access mode. */
  get access(): number {
    return 2;
  }

  read(_into: Uint8Array): number {
    return Errno.EINVAL;
  }

  write(_from: Uint8Array): number {
    return Errno.EINVAL;
  }

  /** Its last descriptor was closed. */
  release(): void {
    for (const watcher of this.watchers) watcher.dropped();
  }

  wake(key: number): void {
    for (const watcher of this.watchers) watcher.woken(key);
  }
}

/** Bytes on their way in one direction. */
export class ByteQueue {
  readonly capacity: number;
  #bytes: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.#bytes.length;
  }

  get room(): number {
    return this.capacity - this.length;
  }

  /** Takes what fits; returns how much that was. */
  push(from: Uint8Array): number {
    const count = Math.min(from.length, this.room);
    for (let i = 0; i < count; i++) this.#bytes.push(from[i] ?? 0);
    return count;
  }

  take(into: Uint8Array): number {
    const taken = this.#bytes.slice(0, into.length);
    this.#bytes = this.#bytes.slice(taken.length);
    into.set(taken);
    return taken.length;
  }
}

/** A file or directory on disk: always ready, so epoll refuses it (EPERM). */
export class RegularFile extends FakeFile {
  ready(): number {
    return Epoll.IN | Epoll.OUT;
  }

  override get pollable(): boolean {
    return false;
  }

  override read(_into: Uint8Array): number {
    return 0;
  }

  override write(from: Uint8Array): number {
    return from.length;
  }
}

const COUNTER_BYTES = 8;
const COUNTER_LIMIT = 2n ** 64n - 1n;

export class EventFile extends FakeFile {
  #count = 0n;

  ready(): number {
    return (this.#count > 0n ? Epoll.IN : 0) | (this.#count < COUNTER_LIMIT - 1n ? Epoll.OUT : 0);
  }

  override read(into: Uint8Array): number {
    if (into.length < COUNTER_BYTES) return Errno.EINVAL;
    if (this.#count === 0n) return Errno.EAGAIN;
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, this.#count, true);
    this.#count = 0n;
    this.wake(Epoll.OUT);
    return COUNTER_BYTES;
  }

  override write(from: Uint8Array): number {
    if (from.length < COUNTER_BYTES) return Errno.EINVAL;
    const value = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    if (value === COUNTER_LIMIT) return Errno.EINVAL;
    if (this.#count + value > COUNTER_LIMIT - 1n) return Errno.EAGAIN;
    this.#count += value;
    this.wake(Epoll.IN);
    return COUNTER_BYTES;
  }
}

/** A timer: it expires when the test's time has come to it, which is while somebody waits (fake.ts, F4). */
export class TimerFile extends FakeFile {
  /** When it expires, Infinity if it is not set. */
  dueMs: number = Number.POSITIVE_INFINITY;
  #expired = false;

  ready(): number {
    return this.#expired ? Epoll.IN : 0;
  }

  set(dueMs: number): void {
    this.dueMs = dueMs;
    this.#expired = false;
  }

  expire(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
    this.#expired = true;
    this.wake(Epoll.IN);
  }
}

/** The read end of a pipe: HUP without IN once the last writer is gone. */
export class PipeReader extends FakeFile {
  readonly queue: ByteQueue;
  writer: PipeWriter | undefined;

  constructor(capacity: number) {
    super();
    this.queue = new ByteQueue(capacity);
  }

  override get access(): number {
    return 0;
  }

  ready(): number {
    return (this.queue.length > 0 ? Epoll.IN : 0) | (this.writer === undefined ? Epoll.HUP : 0);
  }

  override read(into: Uint8Array): number {
    if (this.queue.length === 0) return this.writer === undefined ? 0 : Errno.EAGAIN;
    const count = this.queue.take(into);
    this.writer?.wake(Epoll.OUT);
    return count;
  }

  override write(_from: Uint8Array): number {
    return Errno.EBADF;
  }

  override release(): void {
    super.release();
    if (this.writer === undefined) return;
    this.writer.reader = undefined;
    this.writer.wake(Epoll.ERR);
  }
}

/** The write end of a pipe: ERR once the last reader is gone. */
export class PipeWriter extends FakeFile {
  reader: PipeReader | undefined;

  constructor(reader: PipeReader) {
    super();
    this.reader = reader;
    reader.writer = this;
  }

  override get access(): number {
    return 1;
  }

  ready(): number {
    if (this.reader === undefined) return Epoll.OUT | Epoll.ERR;
    return this.reader.queue.room > 0 ? Epoll.OUT : 0;
  }

  override read(_into: Uint8Array): number {
    return Errno.EBADF;
  }

  override write(from: Uint8Array): number {
    if (this.reader === undefined) return Errno.EPIPE;
    const count = this.reader.queue.push(from);
    if (count === 0 && from.length > 0) return Errno.EAGAIN;
    this.reader.wake(Epoll.IN);
    return count;
  }

  override release(): void {
    super.release();
    if (this.reader === undefined) return;
    this.reader.writer = undefined;
    this.reader.wake(Epoll.HUP);
  }
}
