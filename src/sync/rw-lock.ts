/**
 * A lock for one writer or many readers.
 *
 *     word 0        gate: a mutex, held by the writer from its wish to its end
 *     word 1        bell that readers ring when they leave, for the writer at the gate, and for whom there was no place
 *     word 2        how often writers have left, on which readers sleep
 *     word 3        not used
 *     words 4 …     a place for each reader, which names it
 *
 * R1  A reader takes its place, then looks at the gate; a writer takes the gate, then looks at the places. Both announce
 *     before they look, so at least one of them sees the other, and of two that see each other the reader steps back.
 * R2  A writer waits for the readers that were in before it, new ones wait for it: no writer starves. Readers do, while
 *     writers follow each other without a gap.
 * R3  A dead reader's place is cleared by the writer (H1). A dead writer's gate is taken over by the next writer, or opened
 *     by the next reader; either way it stays damaged (M3) until a writer unlocks it without saying so.
 */
import { makeError } from '../errors.ts';
import { Bell } from './bell.ts';
import { Holders } from './holders.ts';
import { Mutex } from './mutex.ts';
import type { Port } from './port.ts';
import { ALL, block, FOREVER, type IsDead, type Steps } from './waiting.ts';

const GATE = 0;
const READER_LEFT = 1;
const WRITER_LEFT = 2;
const PLACES = 4;

/** Words of a lock for so many readers at once. */
export const rwLockWords = (readers: number): number => PLACES + readers;

const Entry = { IN: 0, WRITER: 1, FULL: 2 } as const;
type Entry = (typeof Entry)[keyof typeof Entry];

export class RwLock {
  readonly #port: Port;
  readonly #gate: Mutex;
  readonly #readerLeft: Bell;
  readonly #readerLeftAt: number;
  readonly #writerLeft: number;
  readonly #readers: Holders;
  readonly #isDead: IsDead;

  constructor(port: Port, at: number, readers: number, isDead: IsDead) {
    this.#port = port;
    this.#gate = new Mutex(port, at + GATE, isDead);
    this.#readerLeft = new Bell(port, at + READER_LEFT);
    this.#readerLeftAt = at + READER_LEFT;
    this.#writerLeft = at + WRITER_LEFT;
    this.#readers = new Holders(port, at + PLACES, readers, isDead);
    this.#isDead = isDead;
  }

  /** Any thread. */
  tryRead(owner: number): boolean {
    return this.#enter(owner) === Entry.IN;
  }

  /** Threads that may sleep. @throws ERR_WAKEONE_LOCK_HELD */
  read(owner: number, timeoutMs: number = FOREVER): boolean {
    if (this.tryRead(owner)) return true;
    // A writer may wait for the place that it has.
    if (this.#holds(owner)) throw makeError('ERR_WAKEONE_LOCK_HELD', 'lock()');
    return block(this.#port, this.reading(owner), timeoutMs);
  }

  *reading(owner: number): Steps {
    for (;;) {
      const writers = this.#port.load(this.#writerLeft);
      const left = this.#readerLeft.announce();
      const entry = this.#enter(owner);
      if (entry === Entry.IN) return true;
      const sleep =
        entry === Entry.WRITER
          ? { at: this.#writerLeft, value: writers }
          : { at: this.#readerLeftAt, value: left };
      if (yield sleep) return false;
    }
  }

  /** False if `owner` is no reader. Any thread. */
  endRead(owner: number): boolean {
    if (!this.#readers.leave(owner)) return false;
    this.#readerLeft.ring();
    return true;
  }

  /** Any thread. */
  tryWrite(owner: number): boolean {
    if (!this.#gate.tryLock(owner)) return false;
    if (this.#readers.count() === 0) return true;
    this.#open(this.#gate.damaged);
    return false;
  }

  /** Threads that may sleep. @throws ERR_WAKEONE_LOCK_HELD */
  write(owner: number, timeoutMs: number = FOREVER): boolean {
    if (this.tryWrite(owner)) return true;
    if (this.#holds(owner)) throw makeError('ERR_WAKEONE_LOCK_HELD', 'lock()');
    return block(this.#port, this.writing(owner), timeoutMs);
  }

  *writing(owner: number): Steps {
    if (!(yield* this.#gate.locking(owner))) return false;
    for (;;) {
      const value = this.#readerLeft.announce();
      if (this.#readers.count() === 0) return true;
      if (yield { at: this.#readerLeftAt, value }) {
        this.#open(this.#gate.damaged);
        return false;
      }
    }
  }

  /** False if `owner` is not the writer. Any thread. */
  endWrite(owner: number, damaged = false): boolean {
    if (this.#gate.owner !== owner) return false;
    this.#open(damaged);
    return true;
  }

  /** Whether a writer has died, and none since has unlocked without saying so. Any thread. */
  get damaged(): boolean {
    return this.#gate.damaged;
  }

  #enter(owner: number): Entry {
    const writer = this.#gate.owner;
    if (writer !== 0) {
      if (!this.#isDead(writer) || !this.#gate.tryLock(owner)) return Entry.WRITER;
      // Damaged if it was the dead one's still.
      this.#open(this.#gate.damaged);
    }
    if (!this.#readers.enter(owner)) return Entry.FULL;
    // R1: pairs with the look at the places in tryWrite() and writing().
    if (this.#gate.owner === 0) return Entry.IN;
    this.endRead(owner);
    return Entry.WRITER;
  }

  /** The gate's owner lets the others in. */
  #open(damaged: boolean): void {
    this.#gate.unlock(damaged);
    this.#port.add(this.#writerLeft, 1);
    this.#port.notify(this.#writerLeft, ALL);
  }

  #holds(owner: number): boolean {
    return this.#gate.owner === owner || this.#readers.has(owner);
  }
}
