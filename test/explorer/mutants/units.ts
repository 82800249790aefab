/** Runs of units with one mistake each. */
import { type Layout, Owner, SlotWord, WorkerWord } from '../../../src/slots/layout.ts';
import { Units } from '../../../src/slots/units.ts';
import { CLAIMED, isClaimed, valueOf } from '../../../src/slots/user.ts';
import type { Port } from '../../../src/sync/port.ts';

abstract class MutantUnits extends Units {
  protected readonly port: Port;
  readonly #layout: Layout;
  readonly #me: number;

  constructor(port: Port, layout: Layout, me: number) {
    super(port, layout, me);
    this.port = port;
    this.#layout = layout;
    this.#me = me;
  }

  protected at(index: number): number {
    return this.#layout.slot(index) + SlotWord.USER;
  }

  protected get lane(): number {
    return this.#layout.worker(this.#me - Owner.FIRST_WORKER) + WorkerWord.UNITS_OF;
  }
}

/** Units and mark leave the word one after the other: a reaper that comes in between takes the units out again (N2). */
export class SettlesInTwoSteps extends MutantUnits {
  override settle(index: number, begun: number): number {
    this.port.add(this.at(index), -begun);
    return super.settle(index, 0);
  }
}

/** The same the other way round: what was delivered is delivered again. */
export class UnmarksFirst extends MutantUnits {
  override settle(index: number, begun: number): number {
    this.port.and(this.at(index), ~CLAIMED);
    return valueOf(this.port.add(this.at(index), -begun)) - begun;
  }
}

/** All that waits is taken at the beginning, and what was not begun given back at the end: a death loses all of it (N1). */
export class TakesTheRun extends MutantUnits {
  #run = 0;

  override begin(index: number): number {
    this.#run = super.begin(index);
    this.port.add(this.at(index), -this.#run);
    return this.#run;
  }

  override settle(index: number, begun: number): number {
    this.port.add(this.at(index), this.#run);
    return super.settle(index, begun);
  }

  override reap(index: number): boolean {
    return isClaimed(this.port.and(this.at(index), ~CLAIMED));
  }
}

/** The lane is free before the slot holds the number (N3). */
export class ParksTooLate extends MutantUnits {
  override park(index: number, begun: number): void {
    this.port.poke(this.lane, 0);
    super.park(index, begun);
  }
}

/** The reaper takes the mark and leaves the units that were begun. */
export class ReapsTheMark extends MutantUnits {
  override reap(index: number): boolean {
    return isClaimed(this.port.and(this.at(index), ~CLAIMED));
  }
}
