/** Mutexes and parking lots with one mistake each, over the words of mutex-world.ts and parking-world.ts. */
import { Mutex } from '../../../src/sync/mutex.ts';
import { ParkingLot, ParkState } from '../../../src/sync/parking.ts';
import type { Port } from '../../../src/sync/port.ts';
import { kickOf, type LotLike, parkingPlace } from '../../sync/parking-world.ts';
import type { VirtualPort } from '../program.ts';

const LOCK = 0;
const CONTENDED = 1 << 30;

/** A sleeper that was woken takes the lock as if nobody else slept. */
export class ForgetfulMutex extends Mutex {
  readonly #port: Port;

  constructor(port: Port) {
    super(port, LOCK);
    this.#port = port;
  }

  override lock(owner: number): boolean {
    for (;;) {
      if (this.tryLock(owner)) return true;
      const word = this.#port.load(LOCK);
      if (word === 0 || this.#port.compareExchange(LOCK, word, word | CONTENDED) !== word) continue;
      this.#port.wait(LOCK, word | CONTENDED, Number.POSITIVE_INFINITY);
    }
  }
}

/** Passes the wake-up of a dead thread on only if the lock is free. (The first version of src did.) */
export class NarrowRecoverMutex extends Mutex {
  readonly #port: Port;

  constructor(port: Port) {
    super(port, LOCK);
    this.#port = port;
  }

  override recover(dead: number, owner: number): boolean {
    for (;;) {
      const word = this.#port.load(LOCK);
      if ((word & (CONTENDED - 1)) !== dead) {
        if (word === 0) this.#port.notify(LOCK, 1);
        return false;
      }
      if (this.#port.compareExchange(LOCK, word, owner | CONTENDED) === word) return true;
    }
  }
}

abstract class MutantLot extends ParkingLot implements LotLike {
  protected readonly port: VirtualPort;

  constructor(port: VirtualPort) {
    super(port, parkingPlace, kickOf(port));
    this.port = port;
  }

  protected isParked(member: number): boolean {
    return (this.port.load(parkingPlace.parked) & (1 << member)) !== 0;
  }

  protected tell(member: number): void {
    this.port.store(parkingPlace.state + member, ParkState.NOTIFIED);
    this.port.notify(parkingPlace.state + member, 1);
    kickOf(this.port)(member);
  }
}

/** Clears the bit after the notification: the member may have parked again by then. */
export class LateClearLot extends MutantLot {
  override wake(member: number): boolean {
    const bit = 1 << member;
    if ((this.port.load(parkingPlace.parked) & bit) === 0) return false;
    this.port.exchange(parkingPlace.state + member, ParkState.NOTIFIED);
    this.port.notify(parkingPlace.state + member, 1);
    this.port.and(parkingPlace.parked, ~bit);
    return true;
  }
}

/** Shows its bit before its state: a notification in between is overwritten. */
export class BitFirstLot extends MutantLot {
  override announce(
    member: number,
    how: typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL,
  ): void {
    this.port.store(parkingPlace.stamp + member, this.port.add(parkingPlace.clock, 1));
    this.port.or(parkingPlace.parked, 1 << member);
    this.port.store(parkingPlace.state + member, how);
  }
}

/** Overlooks those whose waker vanished just before the notification. (The first version of src did.) */
export class NarrowReapLot extends MutantLot {
  override reap(dead: number, alive: number): boolean {
    this.port.and(parkingPlace.parked, ~(1 << dead));
    this.port.store(parkingPlace.state + dead, ParkState.AWAKE);
    for (let member = 0; alive >> member !== 0; member++) {
      const state = this.port.load(parkingPlace.state + member);
      if (state === ParkState.AWAKE || state === ParkState.NOTIFIED || this.isParked(member)) continue;
      this.tell(member);
    }
    return false;
  }
}

/** Overlooks those of them that have parked again. (The second version of src did.) */
export class TrustingReapLot extends MutantLot {
  override reap(dead: number, alive: number): boolean {
    this.port.and(parkingPlace.parked, ~(1 << dead));
    this.port.store(parkingPlace.state + dead, ParkState.AWAKE);
    for (let member = 0; alive >> member !== 0; member++) {
      const state = this.port.load(parkingPlace.state + member);
      if (state !== ParkState.AWAKE && !this.isParked(member)) this.tell(member);
    }
    return false;
  }
}
