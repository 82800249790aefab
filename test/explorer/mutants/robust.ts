/** Locks that outlive their owners, with one mistake each. */
import { Barrier } from '../../../src/sync/barrier.ts';
import { Condition } from '../../../src/sync/condition.ts';
import { Holders } from '../../../src/sync/holders.ts';
import { Mutex } from '../../../src/sync/mutex.ts';
import { Once, Turn } from '../../../src/sync/once.ts';
import type { Port } from '../../../src/sync/port.ts';
import { RwLock } from '../../../src/sync/rw-lock.ts';
import { Semaphore } from '../../../src/sync/semaphore.ts';
import { block, type IsDead, type Steps } from '../../../src/sync/waiting.ts';
import { deathsSeen } from '../../sync/robust-world.ts';

/** Looks for deaths when it comes, and not again. */
export class UnawareMutex extends Mutex {
  readonly #port: Port;

  constructor(port: Port) {
    super(port, 0);
    this.#port = port;
  }

  override tryLock(owner: number): boolean {
    return new Mutex(this.#port, 0, deathsSeen(this.#port)).tryLock(owner);
  }
}

/** Takes over without a mark. */
export class UnmarkedMutex extends Mutex {
  readonly #port: Port;
  readonly #at: number;
  readonly #isDead: IsDead;

  constructor(port: Port, at: number, isDead: IsDead) {
    super(port, at, isDead);
    this.#port = port;
    this.#at = at;
    this.#isDead = isDead;
  }

  override tryLock(owner: number): boolean {
    const holder = this.owner;
    if (holder !== 0 && !this.#isDead(holder)) return false;
    return this.#port.compareExchange(this.#at, holder, owner) === holder;
  }
}

/** Notes what it may sleep on after its look. */
export class LateNoteSemaphore extends Semaphore {
  readonly #port: Port;

  constructor(port: Port, at: number, permits: number, isDead: IsDead) {
    super(port, at, permits, isDead);
    this.#port = port;
  }

  override *acquiring(owner: number): Steps {
    for (;;) {
      if (this.tryAcquire(owner)) return true;
      if (yield { at: 0, value: this.#port.load(0) }) return false;
    }
  }
}

/** With the parts of the real one in the open, over the same words. */
abstract class OpenLock extends RwLock {
  protected readonly gate: Mutex;
  protected readonly readers: Holders;

  constructor(port: Port, at: number, readers: number, isDead: IsDead) {
    super(port, at, readers, isDead);
    this.gate = new Mutex(port, at, isDead);
    this.readers = new Holders(port, at + 4, readers, isDead);
  }
}

/** A reader looks at the gate, then takes its place, and does not look again. */
export class HastyReaderLock extends OpenLock {
  override tryRead(owner: number): boolean {
    return this.gate.owner === 0 && this.readers.enter(owner);
  }
}

/** A reader leaves without ringing. */
export class QuietReaderLock extends OpenLock {
  override endRead(owner: number): boolean {
    return this.readers.leave(owner);
  }
}

/** A writer that gives up leaves the gate shut. */
export class ShutLock extends OpenLock {
  override tryWrite(owner: number): boolean {
    return this.gate.tryLock(owner) && this.readers.count() === 0;
  }
}

/** Says that it is done when it begins. */
export class EarlyOnce extends Once {
  readonly #port: Port;

  constructor(port: Port, at: number, isDead: IsDead) {
    super(port, at, isDead);
    this.#port = port;
  }

  override decide(): Turn {
    const turn = super.decide();
    if (turn === Turn.DO_IT) this.#port.store(1, 1);
    return turn;
  }
}

/** Notes what was said after it has released the mutex. */
export class LateNoteCondition extends Condition {
  readonly #port: Port;

  constructor(port: Port, at: number) {
    super(port, at);
    this.#port = port;
  }

  override wait(mutex: Mutex, owner: number): boolean {
    mutex.unlock();
    const heard = block(this.#port, this.hearing(this.said), Infinity);
    mutex.lock(owner);
    return heard;
  }
}

/** Takes its arrival back whatever round it is. */
export class StubbornBarrier extends Barrier {
  readonly #port: Port;

  constructor(port: Port, at: number, parties: number) {
    super(port, at, parties);
    this.#port = port;
  }

  override *arriving(): Steps {
    const steps = super.arriving();
    for (let step = steps.next(false); ; step = steps.next(false)) {
      if (step.done === true) return step.value;
      if (yield step.value) {
        this.#port.add(0, -1);
        return false;
      }
    }
  }
}
