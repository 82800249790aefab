/** The lock for one writer or many readers. */
import { isDead } from '../sync/deaths.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { RwLock as RwLockWords, rwLockWords } from '../sync/rw-lock.ts';
import type { Steps } from '../sync/waiting.ts';
import { Lock, notHeld } from './lock.ts';
import { type SharedMemory, spotOf } from './memory.ts';
import { ME } from './thread.ts';

/** So that it is 256 bytes. */
const READERS = 60;

/**
 * A lock that either one thread has for writing, or up to 60 have for reading: `lock.reader` and `lock.writer` are the two
 * sides of it. 256 bytes of shared memory, zero at first.
 *
 * A writer waits for those that read when it comes, and new readers wait for it: no writer starves. Readers do while
 * writers follow each other without a gap. A thread must not want to write while it reads, nor read twice.
 *
 * A dead reader is forgotten. After a dead writer (or one that died while it waited for readers) both sides find `ownerDied` true,
 * until a writer has unlocked.
 */
export class RwLock {
  /** Bytes of shared memory. */
  static readonly BYTES: number = 4 * rwLockWords(READERS);
  readonly reader: Lock;
  readonly writer: Lock;

  /** @throws ERR_WAKEONE_INVALID_ARGUMENT */
  constructor(memory: SharedMemory, byteOffset = 0) {
    const { port, at } = spotOf(memory, byteOffset, rwLockWords(READERS));
    const words = new RwLockWords(port, at, READERS, isDead);
    this.reader = new Reader(port, words);
    this.writer = new Writer(port, words);
  }
}

abstract class Side extends Lock {
  protected readonly port: AtomicsPort;
  protected readonly words: RwLockWords;

  constructor(port: AtomicsPort, words: RwLockWords) {
    super();
    this.port = port;
    this.words = words;
  }

  override get ownerDied(): boolean {
    return this.words.damaged;
  }
}

class Reader extends Side {
  override tryLock(): boolean {
    return this.words.tryRead(ME);
  }

  override unlock(): void {
    if (!this.words.endRead(ME)) throw notHeld('unlock()');
  }

  protected override wait(timeoutMs: number): boolean {
    return this.words.read(ME, timeoutMs);
  }

  protected override steps(): { port: AtomicsPort; steps: Steps } {
    return { port: this.port, steps: this.words.reading(ME) };
  }

  protected override giveUp(): void {
    this.words.endRead(ME);
  }
}

class Writer extends Side {
  override tryLock(): boolean {
    return this.words.tryWrite(ME);
  }

  override unlock(): void {
    if (!this.words.endWrite(ME)) throw notHeld('unlock()');
  }

  protected override wait(timeoutMs: number): boolean {
    return this.words.write(ME, timeoutMs);
  }

  protected override steps(): { port: AtomicsPort; steps: Steps } {
    return { port: this.port, steps: this.words.writing(ME) };
  }

  protected override giveUp(): void {
    this.words.endWrite(ME, this.words.damaged);
  }
}
