/**
 * How many registrations there are, and how many connections each listener has.
 *
 *     out ──▶ moving ──▶ in ──▶ moving ──▶ out      the census word of a slot, written by its owner
 *               └ both counts +1  └ both counts -1
 *
 * Bare counters drift when a thread vanishes between a change and the note of it. So each slot says whether it is counted:
 * who ends it counts it out once, and what a dead owner left in `in` or `out` is certain. Only in `moving`, which lasts
 * a few instructions, the reaper cannot know how far the dead one came: then it counts the slots.
 *
 * C1  A slot is `out` before its generation ends: from then on a registrar may take it over, and counts it in.
 * C2  A recount is exact while nobody else is in `moving`; it is repeated while somebody is, or a count changes under it.
 */
import type { Port } from '../sync/port.ts';
import { type Layout, SlotWord, Word } from './layout.ts';
import type { SlotRecords } from './record.ts';

const Counted = { OUT: 0, MOVING: 1, IN: 2 } as const;

/** Looks of a recount at most. Others are `moving` for a microsecond, unless the kernel has taken the processor from them. */
const MOST_LOOKS = 100;

type Families = Pick<
  SlotRecords,
  'parent' | 'parentGeneration' | 'joinParent' | 'leaveParent' | 'connections'
>;

/** What the end of a registration has led to. */
export type Left = { readonly last: boolean; readonly starved: boolean };

const NOTHING: Left = { last: false, starved: false };

export class Census {
  readonly #port: Port;
  readonly #layout: Layout;
  readonly #families: Families;

  constructor(port: Port, layout: Layout, families: Families) {
    this.#port = port;
    this.#layout = layout;
    this.#families = families;
  }

  /** Live registrations. Any thread. */
  get registered(): number {
    return this.#port.load(Word.REGISTERED);
  }

  /** Whether a slot is not counted. Its owner, or the supervisor of a dead one. */
  isOut(index: number): boolean {
    return this.#port.load(this.#at(index)) === Counted.OUT;
  }

  /** Counts a slot in, as a connection of `listener` if there is one. Its registrar; true if it is the first of all. */
  enter(index: number, listener?: { readonly index: number; readonly generation: number }): boolean {
    this.#mark(index, Counted.MOVING);
    if (listener !== undefined) this.#families.joinParent(index, listener.index, listener.generation);
    const first = this.#port.add(Word.REGISTERED, 1) === 0;
    this.#mark(index, Counted.IN);
    return first;
  }

  /** Counts a slot out, if it is in. Its owner, before the end of the generation. */
  leave(index: number): Left {
    if (this.#port.load(this.#at(index)) !== Counted.IN) return NOTHING;
    this.#mark(index, Counted.MOVING);
    const starved = this.#leaveParent(index);
    const last = this.#port.add(Word.REGISTERED, -1) === 1;
    this.#mark(index, Counted.OUT);
    return last || starved ? { last, starved } : NOTHING;
  }

  /** Makes a slot of a dead owner certain. The supervisor, while nobody else may own the slot; true if its listener waits for room. */
  repair(index: number): boolean {
    if (this.#port.load(this.#at(index)) !== Counted.MOVING) return false;
    let starved = false;
    const parent = this.#families.parent(index);
    if (parent !== undefined) {
      const generation = this.#families.parentGeneration(index);
      const isChild = (other: number): boolean =>
        this.#families.parent(other) === parent && this.#families.parentGeneration(other) === generation;
      if (this.#isTooHigh(index, () => this.#families.connections(parent), isChild))
        starved = this.#leaveParent(index);
    }
    const isTooHigh = this.#isTooHigh(
      index,
      () => this.registered,
      () => true,
    );
    if (isTooHigh) this.#port.add(Word.REGISTERED, -1);
    this.#mark(index, Counted.OUT);
    return starved;
  }

  /** Whether more are counted than there are, other than `index`. */
  #isTooHigh(index: number, count: () => number, belongs: (other: number) => boolean): boolean {
    let before = 0;
    let found = 0;
    for (let looks = 0; looks < MOST_LOOKS; looks++) {
      before = count();
      found = 0;
      let isMoving = false;
      for (let other = 0; other < this.#layout.slotCount; other++) {
        const counted = this.#port.load(this.#at(other));
        if (counted === Counted.OUT || other === index) continue;
        if (counted === Counted.MOVING) isMoving = true;
        else if (belongs(other)) found++;
      }
      if (!isMoving && count() === before) break;
    }
    return before > found;
  }

  #leaveParent(index: number): boolean {
    const parent = this.#families.parent(index);
    return parent !== undefined && this.#families.leaveParent(parent, this.#families.parentGeneration(index));
  }

  #mark(index: number, counted: number): void {
    this.#port.store(this.#at(index), counted);
  }

  #at(index: number): number {
    return this.#layout.slot(index) + SlotWord.CENSUS;
  }
}
