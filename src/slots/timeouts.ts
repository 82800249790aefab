/**
 * The times of slots: what the owner of a slot keeps there, and what the monitor reads.
 *
 *     owner:    at each activity, one plain store: ACTIVITY = CLOCK
 *               a read, write, deadline or timer that comes to be due:  store its time;  mark the slot
 *     monitor:  take the marks;  look at the slot's times;  sleep until the earliest;  look again: pushed ahead, or due?
 *               due: store JUDGED;  ask for a turn with Flag.TIMER
 *     owner:    in that turn: still due?  then the timeout is delivered, else it was moved on
 *
 * T1  Never early. ACTIVITY is a coarse stamp: it stands for any moment up to the one at which CLOCK moved on from it, and
 *     only the monitor knows that one. So of idle timeouts the monitor is the judge: it stores the activity from which the
 *     time is over, and the owner delivers only if that is the last activity still. All other times are exact.
 * T2  Never after it was moved on. The owner looks again, in its turn; nobody else moves the time of a descriptor. The time
 *     of a timer may be moved by any thread: it is taken by a CAS, which fails if it was.
 * T3  Nothing is lost: who brings a time forward marks the slot after it. (A time that moves away needs no mark: the monitor
 *     comes too early, and looks again.) What takes a turn with Flag.TIMER marks the slot at the turn's end. Whoever reaps
 *     a dead thread marks all.
 */
import { Marks } from '../sync/marks.ts';
import type { AtomicsPort } from '../sync/port.ts';
import { Clock, momentOf, NO_STAMP, STAMP_OVER, stampAt, stampDistance } from './clock.ts';
import { type Layout, SlotWord, TimeWord, Word } from './layout.ts';
import { Kind, kindOf, Trait } from './record.ts';

/** What a timeout is about. */
export type TimeoutKind = 'idle' | 'read' | 'write' | 'deadline';

/** How long things may last, in milliseconds; 0: for ever. */
export type Limits = {
  readonly idleMs: number;
  readonly readMs: number;
  readonly writeMs: number;
  /** From the registration on. */
  readonly deadlineMs: number;
};

export const NO_LIMITS: Limits = { idleMs: 0, readMs: 0, writeMs: 0, deadlineMs: 0 };

/** The traits of a slot with these limits, 0 if there are none. Pure. */
export function traitsOf({ idleMs, readMs, writeMs, deadlineMs }: Limits): number {
  const paced = readMs !== 0 || writeMs !== 0;
  if (idleMs === 0 && !paced && deadlineMs === 0) return 0;
  return Trait.TIMED | (idleMs === 0 ? 0 : Trait.IDLE) | (paced ? Trait.PACED : 0);
}

/** What a turn has done, as far as it matters to read and write timeouts. */
export type Progress = {
  /** Input is wanted. */
  readonly reading: boolean;
  /** Input is left that the handler did not take, and whether it took some. */
  readonly rest: boolean;
  readonly consumed: boolean;
  /** Output waits, and whether the kernel took some. */
  readonly waits: boolean;
  readonly sent: boolean;
};

const Change = { KEEP: 0, BEGIN: 1, END: 2 } as const;
type Change = (typeof Change)[keyof typeof Change];

/**
 * What a turn means for the read timeout. It runs from the opening, or from the turn that leaves the first bytes of a
 * message unread, until the handler has taken all input; a handler that takes some and leaves some has begun the next
 * message. It stands still while nothing is read. Pure.
 */
export function readChange(running: boolean, { reading, rest, consumed }: Progress): Change {
  if (!reading) return Change.END;
  if (rest) return running && !consumed ? Change.KEEP : Change.BEGIN;
  return consumed ? Change.END : Change.KEEP;
}

/** What a turn means for the write timeout: it runs while output waits, anew when the kernel has taken some. Pure. */
export function writeChange(running: boolean, { waits, sent }: Progress): Change {
  if (!waits) return Change.END;
  return running && !sent ? Change.KEEP : Change.BEGIN;
}

/** Periods that are over at `now`, of a timer that was due at `due`; a one-shot timer (period 0) has one. Pure. */
export function periodsOver(due: number, periodMs: number, now: number): number {
  const lateMs = stampDistance(due, now);
  if (lateMs < 0) return 0;
  return periodMs === 0 ? 1 : 1 + Math.floor(lateMs / periodMs);
}

/** What reset() has done. */
export const Reset = {
  /** The timer has ended. */
  STALE: 0,
  /** It expires later than before: the monitor need not know. */
  LATER: 1,
  /** The slot must be marked. */
  SOONER: 2,
} as const;
export type Reset = (typeof Reset)[keyof typeof Reset];

export class Timeouts {
  readonly clock: Clock;
  readonly marks: Marks;
  readonly #port: AtomicsPort;
  readonly #words: Int32Array;
  readonly #layout: Layout;

  constructor(port: AtomicsPort, layout: Layout, clock: Clock = new Clock(port.words)) {
    this.clock = clock;
    this.marks = new Marks(port, { any: Word.MARKED, bits: layout.marks, count: layout.slotCount });
    this.#port = port;
    this.#words = port.words;
    this.#layout = layout;
  }

  /** Fills the times of a slot whose traits say that it has some. Registrar, who then marks it. */
  begin(index: number, { idleMs, readMs, writeMs, deadlineMs }: Limits): void {
    const at = this.#layout.timesOf(index);
    const now = this.clock.now();
    const words = this.#words;
    words[at + TimeWord.IDLE_MS] = idleMs;
    words[at + TimeWord.READ_MS] = readMs;
    words[at + TimeWord.WRITE_MS] = writeMs;
    words[at + TimeWord.READ_DUE] = readMs === 0 ? NO_STAMP : stampAt(now + readMs);
    words[at + TimeWord.WRITE_DUE] = NO_STAMP;
    words[at + TimeWord.DUE] = deadlineMs === 0 ? NO_STAMP : stampAt(now + deadlineMs);
    words[at + TimeWord.JUDGED] = NO_STAMP;
    // Exact, since it is not certain that the monitor keeps the time of CLOCK yet.
    words[this.#layout.slot(index) + SlotWord.ACTIVITY] = stampAt(now);
  }

  /** Keeps the limits of a listener's connections. Registrar. */
  beginTemplate(index: number, { idleMs, readMs, writeMs, deadlineMs }: Limits): void {
    const at = this.#layout.timesOf(index);
    this.#words.set([idleMs, readMs, writeMs, 0, 0, deadlineMs], at);
  }

  /** What beginTemplate() has kept. The listener's owner. */
  template(index: number): Limits {
    const at = this.#layout.timesOf(index);
    return {
      idleMs: this.#peek(at + TimeWord.IDLE_MS),
      readMs: this.#peek(at + TimeWord.READ_MS),
      writeMs: this.#peek(at + TimeWord.WRITE_MS),
      deadlineMs: this.#peek(at + TimeWord.DUE),
    };
  }

  /** Fills the times of a timer. Registrar, who then marks it. */
  beginTimer(index: number, afterMs: number, periodMs: number): void {
    const at = this.#layout.timesOf(index);
    this.#words[at + TimeWord.PERIOD_MS] = periodMs;
    this.#port.store(at + TimeWord.DUE, stampAt(this.clock.now() + afterMs));
  }

  /** Pushes the idle timeout ahead. Plain: the slot is the owner's, and of CLOCK any value that was current will do (T1). */
  touch(index: number): void {
    this.#words[this.#layout.slot(index) + SlotWord.ACTIVITY] = this.#words[Word.CLOCK] ?? NO_STAMP;
  }

  /** Sets or lifts (undefined) the deadline. Owner of a slot that has times; it then marks the slot. */
  setDeadline(index: number, afterMs: number | undefined): void {
    const due = afterMs === undefined ? NO_STAMP : stampAt(this.clock.now() + afterMs);
    this.#words[this.#layout.timesOf(index) + TimeWord.DUE] = due;
  }

  /** Begins an idle time of so long, now. Owner of a slot that has times; it then says so in the traits, and marks the slot. */
  setIdle(index: number, idleMs: number): void {
    const at = this.#layout.timesOf(index);
    // The activity before the length: who sees the new length and judges by the old activity has judged one that is past.
    this.#words[this.#layout.slot(index) + SlotWord.ACTIVITY] = stampAt(this.clock.now());
    this.#words[at + TimeWord.JUDGED] = NO_STAMP;
    this.#words[at + TimeWord.IDLE_MS] = idleMs;
  }

  /** Keeps read and write timeouts up to what a turn has done. True if one has begun: then the slot must be marked. Owner. */
  pace(index: number, progress: Progress): boolean {
    const at = this.#layout.timesOf(index);
    const reads = this.#change(at + TimeWord.READ_DUE, at + TimeWord.READ_MS, readChange, progress);
    const writes = this.#change(at + TimeWord.WRITE_DUE, at + TimeWord.WRITE_MS, writeChange, progress);
    return reads || writes;
  }

  #change(
    at: number,
    limit: number,
    decide: (running: boolean, progress: Progress) => Change,
    progress: Progress,
  ): boolean {
    const limitMs = this.#peek(limit);
    if (limitMs === 0) return false;
    const running = this.#peek(at) !== NO_STAMP;
    const change = decide(running, progress);
    if (change === Change.KEEP) return false;
    this.#words[at] = change === Change.END ? NO_STAMP : stampAt(this.clock.now() + limitMs);
    return change === Change.BEGIN && !running;
  }

  /**
   * The timeout that is over, if one is; then it begins again (a deadline does not). Owner, in a turn that it was asked for:
   * what was moved on since is not over (T2).
   */
  expire(index: number, traits: number): TimeoutKind | undefined {
    const at = this.#layout.timesOf(index);
    const now = this.clock.now();
    if (this.#isOver(at + TimeWord.DUE, now)) {
      this.#words[at + TimeWord.DUE] = NO_STAMP;
      return 'deadline';
    }
    if (this.#isOver(at + TimeWord.READ_DUE, now)) {
      this.#words[at + TimeWord.READ_DUE] = stampAt(now + this.#peek(at + TimeWord.READ_MS));
      return 'read';
    }
    if (this.#isOver(at + TimeWord.WRITE_DUE, now)) {
      this.#words[at + TimeWord.WRITE_DUE] = stampAt(now + this.#peek(at + TimeWord.WRITE_MS));
      return 'write';
    }
    const activity = this.#layout.slot(index) + SlotWord.ACTIVITY;
    if ((traits & Trait.IDLE) === 0 || this.#peek(activity) !== this.#peek(at + TimeWord.JUDGED))
      return undefined;
    this.#words[activity] = stampAt(now);
    return 'idle';
  }

  #isOver(at: number, now: number): boolean {
    const due = this.#peek(at);
    return due !== NO_STAMP && stampDistance(due, Math.floor(now) | 0) >= 0;
  }

  /** How many periods of a timer are over, and until when they are counted. Owner. */
  timerPeriods(index: number): { readonly due: number; readonly count: number } {
    const at = this.#layout.timesOf(index);
    const due = this.#port.load(at + TimeWord.DUE);
    if (due === NO_STAMP || due === STAMP_OVER) return { due, count: 0 };
    const now = Math.floor(this.clock.now()) | 0;
    return { due, count: periodsOver(due, this.#peek(at + TimeWord.PERIOD_MS), now) };
  }

  /** Takes these periods; the next one is due then, or none. False if the timer was moved: then nothing is taken. Owner. */
  takePeriods(index: number, due: number, count: number): boolean {
    const at = this.#layout.timesOf(index);
    const periodMs = this.#peek(at + TimeWord.PERIOD_MS);
    const next = periodMs === 0 ? NO_STAMP : stampAt(due + count * periodMs);
    return this.#port.compareExchange(at + TimeWord.DUE, due, next) === due;
  }

  /** Ends a timer that is not due any more; false if it was reset. Owner. */
  endTimer(index: number): boolean {
    const at = this.#layout.timesOf(index) + TimeWord.DUE;
    return this.#port.compareExchange(at, NO_STAMP, STAMP_OVER) === NO_STAMP;
  }

  /** Moves the next expiry of a timer to `afterMs` from now. Any thread; the caller knows that the timer lives. */
  resetTimer(index: number, afterMs: number, isLive: () => boolean): Reset {
    const at = this.#layout.timesOf(index) + TimeWord.DUE;
    const due = stampAt(this.clock.now() + afterMs);
    for (;;) {
      const before = this.#port.load(at);
      if (before === STAMP_OVER || !isLive()) return Reset.STALE;
      if (this.#port.compareExchange(at, before, due) !== before) continue;
      if (!isLive()) {
        // It ended in between, and a timer that has its slot now was to expire at the very same millisecond: as it was.
        this.#port.compareExchange(at, due, before);
        return Reset.STALE;
      }
      return before !== NO_STAMP && stampDistance(before, due) >= 0 ? Reset.LATER : Reset.SOONER;
    }
  }

  /** Has the monitor look at the slot. Any thread, after it brought a time forward; then it starts the monitor (T3). */
  mark(index: number): void {
    this.marks.add(index);
  }

  /** Marks every slot that may have times: after a death, when nobody knows what was left undone. */
  markAll(): void {
    const { slotCount } = this.#layout;
    for (let index = 0; index < slotCount; index++)
      if ((this.#peek(this.#layout.slot(index) + SlotWord.CONFIG) & Trait.TIMED) !== 0) this.mark(index);
  }

  /** The coarse clock as it is, and a step of it: the monitor's; before there is one, that of who starts it. */
  get coarse(): number {
    return this.#port.load(Word.CLOCK);
  }

  setCoarse(stamp: number): void {
    this.#port.store(Word.CLOCK, stamp);
  }

  /** When the idle time of a slot is over, Infinity if it has none; `endOf` tells what its activity stands for. Monitor. */
  idleDue(index: number, config: number, activity: number, endOf: (activity: number) => number): number {
    if ((config & Trait.IDLE) === 0) return Number.POSITIVE_INFINITY;
    return endOf(activity) + this.#peek(this.#layout.timesOf(index) + TimeWord.IDLE_MS);
  }

  /** The last activity of a slot that has an idle timeout. Monitor. */
  activity(index: number): number {
    return this.#peek(this.#layout.slot(index) + SlotWord.ACTIVITY);
  }

  /** When the earliest of a slot's other times is due. Monitor. */
  exactDue(index: number, config: number, now: number): number {
    const at = this.#layout.timesOf(index);
    const due = this.#momentAt(at + TimeWord.DUE, now);
    if (kindOf(config) === Kind.TIMER || (config & Trait.PACED) === 0) return due;
    return Math.min(
      due,
      this.#momentAt(at + TimeWord.READ_DUE, now),
      this.#momentAt(at + TimeWord.WRITE_DUE, now),
    );
  }

  #momentAt(at: number, now: number): number {
    const stamp = this.#port.load(at);
    return stamp === NO_STAMP || stamp === STAMP_OVER ? Number.POSITIVE_INFINITY : momentOf(stamp, now);
  }

  /** Says that the idle time since this activity is over; the turn that it then asks for sees it. Monitor. */
  judge(index: number, activity: number): void {
    this.#port.store(this.#layout.timesOf(index) + TimeWord.JUDGED, activity);
  }

  #peek(at: number): number {
    return this.#words[at] ?? 0;
  }
}
