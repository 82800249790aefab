/**
 * The monitor's part in timeouts (slots/timeouts.ts): it steps the coarse clock, knows which slots have times, and asks for
 * a turn of those that are due. What it knows is in its own memory, and can be had anew from the slots at any time: a
 * monitor that takes a dead one's place finds all of them marked.
 *
 * It is lazy: who pushes a timeout ahead tells nobody. When the moment at which a slot was to be looked at comes, its times
 * are read again, and mostly it is put back.
 */
import { momentOf, stampAt } from '../slots/clock.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Kind, kindOf, Trait } from '../slots/record.ts';
import { Outcome } from '../slots/table.ts';
import type { Timeouts } from '../slots/timeouts.ts';
import { Flag } from '../slots/word.ts';
import type { PoolDispatcher } from './dispatcher.ts';
import { DueHeap } from './due-heap.ts';
import type { MonitorTime } from './monitor.ts';
import { enqueue } from './queueing.ts';
import { Stretches, USUAL_MS } from './stretches.ts';

/** The coarse clock's step while ticks are put off: well below USUAL_MS. */
const STEP_MS = 5;
/** Without anything to keep the time for: stamps must not be compared over too long. */
const LONGEST_MS = 1000;

export class Timekeeper implements MonitorTime {
  readonly #dispatcher: PoolDispatcher;
  readonly #memory: PoolMemory;
  readonly #timeouts: Timeouts;
  readonly #stretches = new Stretches();
  readonly #heap: DueHeap;
  /** The coarse clock as a moment. */
  #coarse: number;
  readonly #endOf = (activity: number): number => {
    const value = momentOf(activity, this.#now);
    // The value that is current has not ended yet: this thread may have been without a CPU since it stored it.
    return value < this.#coarse ? this.#stretches.endOf(value) : Math.max(value + USUAL_MS, this.#now);
  };
  readonly #take = (index: number): void => this.#look(index);
  #now: number;
  #pushed = 0;

  constructor(dispatcher: PoolDispatcher, timeouts: Timeouts = dispatcher.memory.timeouts) {
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#timeouts = timeouts;
    this.#heap = new DueHeap(this.#memory.layout.slotCount);
    this.#now = timeouts.clock.now();
    this.#coarse = Math.ceil(this.#now);
    timeouts.setCoarse(stampAt(this.#coarse));
    // Whatever came before: how long it was current, nobody knows.
    this.#stretches.add(Number.NEGATIVE_INFINITY, this.#coarse - 1, timeouts.clock.now());
  }

  run(): boolean {
    this.#step(Math.floor(this.#timeouts.clock.now()));
    this.#pushed = 0;
    this.#timeouts.marks.take(this.#take);
    for (let index = this.#heap.first; index !== undefined && this.#heap.earliest <= this.#now;) {
      this.#look(index);
      index = this.#heap.first;
    }
    if (this.#pushed > 1) this.#dispatcher.wakeForWork();
    return this.#pushed > 0;
  }

  get patienceMs(): number {
    return this.#heap.size === 0
      ? LONGEST_MS
      : Math.min(STEP_MS, Math.max(0, this.#heap.earliest - this.#now));
  }

  rest(): number {
    // One further at least: who was active before the rest has read an earlier value, and is not stretched by it.
    this.#step(Math.max(Math.floor(this.#timeouts.clock.now()), this.#coarse + 1));
    // The look after the announcement; pairs with Strands.schedule().
    if (!this.#timeouts.marks.isEmpty) return 0;
    return this.#heap.size === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#heap.earliest - this.#now);
  }

  /** Slots that have a moment at which they are looked at. */
  get watched(): number {
    return this.#heap.size;
  }

  /** The coarse clock moves on, if `to` is later than where it is. */
  #step(to: number): void {
    const before = this.#coarse;
    // Some moments have no stamp of their own.
    const moment = momentOf(stampAt(to), to);
    if (moment > before) {
      this.#coarse = moment;
      this.#timeouts.setCoarse(stampAt(moment));
    }
    // After the store: until now somebody may have read the value before.
    this.#now = this.#timeouts.clock.now();
    if (moment > before) this.#stretches.add(before, before, this.#now);
  }

  /** Looks at a slot's times: it waits, or is due and asked for, or has none. */
  #look(index: number): void {
    const { records, slots } = this.#memory;
    const generation = slots.generation(index);
    const config = records.config(index);
    const timed = (config & Trait.TIMED) !== 0 && kindOf(config) !== Kind.LISTENER;
    if (!timed || !slots.isLive(index, generation)) {
      this.#heap.delete(index);
      return;
    }
    const activity = this.#timeouts.activity(index);
    const idleDue = this.#timeouts.idleDue(index, config, activity, this.#endOf);
    const due = Math.min(idleDue, this.#timeouts.exactDue(index, config, this.#now));
    if (due > this.#now) {
      if (due === Number.POSITIVE_INFINITY) this.#heap.delete(index);
      else this.#heap.set(index, due);
      return;
    }
    // Until its turn, which marks it.
    this.#heap.delete(index);
    if (idleDue <= this.#now) this.#timeouts.judge(index, activity);
    if (slots.request(index, generation, Flag.TIMER) === Outcome.PUSH) this.#push(index);
  }

  #push(index: number): void {
    if (!enqueue(this.#dispatcher, index)) return;
    this.#pushed++;
    // At once for the first; those behind it wait at most until all of them are pushed.
    if (this.#pushed === 1) this.#dispatcher.wakeForWork();
  }
}
