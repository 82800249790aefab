/**
 * The search: depth first over all schedules of a program within its bounds.
 *
 * A state is the memory, the point of each thread (history.ts), who sleeps in which order, the thread that ran last,
 * and what was used of the bounds. A step is one port call of one thread, or an event of the environment: a thread
 * vanishes, a wait times out. A switch away from a thread that could go on is a preemption; any other is free.
 *
 * When a thread may vanish: while it is the one that ran last, or before it runs after its start or a notification.
 * At any other moment it would be the same as having vanished just after its last step: nobody sees a thread that
 * does nothing. (What can be seen is its reaper, and that may start as late as it likes.)
 *
 * Sleepers of a word are notified in the order in which they went to sleep, as Atomics.notify does.
 */
import { type Frame, FrameRow, canRun, NOBODY } from './frame.ts';
import { Histories, type Point } from './history.ts';
import { Memory } from './memory.ts';
import { type Operation, perform, Waited } from './operations.ts';
import { type Exploration, type Program, ThreadStatus, type VirtualThread } from './program.ts';
import {
  afterChange,
  afterExchange,
  afterPeek,
  afterStore,
  NONE,
  type OldValues,
  visibleTo,
} from './stale.ts';
import { StateTable } from './states.ts';
import { traceOf, type TraceStep } from './trace.ts';
import { DirectPort, StateView } from './view.ts';

const DEFAULT_LONGEST = 2000;
const DEFAULT_BUDGET = 5_000_000;
/** Of the states that were seen, 2 GiB: the budget of a search that is large. */
const MOST_WORDS = 2 ** 29;

/** A frame that is still being made. */
type Draft = {
  points: Point[];
  statuses: ThreadStatus[];
  sleepers: readonly number[];
  past: readonly OldValues[];
};

class ScheduleFailed extends Error {}
class BudgetExhausted extends Error {}

export class Search {
  readonly #program: Program;
  readonly #threads: readonly VirtualThread[];
  readonly #memory = new Memory();
  readonly #histories: Histories;
  readonly #row: FrameRow;
  readonly #seen = new StateTable();
  readonly #path: TraceStep[] = [];
  #schedules = 0;
  #steps = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#threads = program.threads;
    this.#histories = new Histories(this.#memory);
    this.#row = new FrameRow(program, this.#memory);
  }

  run(): Exploration {
    let failure: Exploration['failure'];
    let complete = false;
    try {
      this.#program.setup?.(new DirectPort(this.#memory));
      this.#visit(this.#first());
      complete = true;
    } catch (thrown) {
      if (thrown instanceof ScheduleFailed) {
        failure = { message: thrown.message, trace: traceOf(this.#path, this.#program) };
      } else if (!(thrown instanceof BudgetExhausted)) throw thrown;
    }
    return { complete, failure, schedules: this.#schedules, states: this.#seen.size, steps: this.#steps };
  }

  #first(): Frame {
    const points = this.#threads.map((thread) => this.#histories.begin(thread, 0, []));
    const statuses = this.#threads.map((thread, id) => {
      if (thread.reaps !== undefined) return ThreadStatus.DORMANT;
      return points[id]?.next === undefined ? ThreadStatus.DONE : ThreadStatus.FRESH;
    });
    const past = points.map(() => NONE);
    const counts = { preemptions: 0, vanishings: 0, timeouts: 0, lastResorts: 0 };
    return { points, statuses, sleepers: [], past, last: NOBODY, ...counts };
  }

  #visit(frame: Frame): void {
    this.#check(frame);
    if (this.#program.prune !== false) {
      const counted = this.#program.preemptions === undefined ? 0 : frame.preemptions;
      if (!this.#seen.isNews(this.#row.write(frame), counted)) return;
    }
    if (this.#path.length > (this.#program.longest ?? DEFAULT_LONGEST)) {
      throw new ScheduleFailed(`no end after ${this.#path.length} steps`);
    }
    let stuck = true;
    const lastCanGoOn = frame.last !== NOBODY && canRun(frame.statuses[frame.last]);
    if (lastCanGoOn) {
      stuck = false;
      this.#step(frame, frame.last, frame.preemptions);
    }
    const preemptions = frame.preemptions + (lastCanGoOn ? 1 : 0);
    const mayPreempt = preemptions <= (this.#program.preemptions ?? Number.POSITIVE_INFINITY);
    for (let id = 0; id < this.#threads.length; id++) {
      if (id === frame.last || !canRun(frame.statuses[id])) continue;
      stuck = false;
      if (mayPreempt) this.#step(frame, id, preemptions);
    }
    if (this.#timeOuts(frame)) stuck = false;
    if (stuck && this.#lastResort(frame)) stuck = false;
    if (stuck) this.#end(frame);
    this.#vanishings(frame);
  }

  /** One step of a thread: the silent operations before it, one that is not, and the silent changes behind it. */
  #step(frame: Frame, id: number, preemptions: number): void {
    const mark = this.#memory.mark;
    const length = this.#path.length;
    const before = this.#skipSilent(id, frame.points[id], true);
    const operation = before.next;
    const old = operation?.kind === 'peek' ? visibleTo(frame.past[id] ?? NONE, operation.cell) : NONE;
    const beforeStep = this.#memory.mark;
    const lengthBefore = this.#path.length;
    for (const seen of [undefined, ...old]) {
      this.#steps++;
      if (this.#steps > (this.#program.budget ?? DEFAULT_BUDGET) || this.#seen.words >= MOST_WORDS)
        throw new BudgetExhausted();
      const draft = {
        points: frame.points.with(id, before),
        statuses: frame.statuses.with(id, ThreadStatus.READY),
        sleepers: frame.sleepers,
        past: frame.past,
      };
      if (seen !== undefined) this.#peekOld(draft, id, seen);
      else if (operation !== undefined) this.#carryOut(draft, id, operation);
      if (draft.points[id]?.next === undefined) draft.statuses[id] = ThreadStatus.DONE;
      this.#visit({ ...frame, ...draft, last: id, preemptions });
      this.#memory.undoTo(beforeStep);
      this.#path.length = lengthBefore;
    }
    this.#memory.undoTo(mark);
    this.#path.length = length;
  }

  #carryOut(draft: Draft, id: number, operation: Operation): void {
    const { kind, cell } = operation;
    const before = this.#memory.read(cell);
    if (kind === 'wait' && before === operation.a) {
      this.#path.push({ thread: id, operation, result: undefined });
      draft.statuses[id] = ThreadStatus.ASLEEP;
      draft.sleepers = [...draft.sleepers, id];
      this.#note(draft, id, operation, before);
      return;
    }
    let result: number;
    if (kind === 'wait') result = Waited.NOT_EQUAL;
    else if (kind === 'notify') result = this.#notify(draft, cell, operation.a);
    else {
      result = perform(this.#memory, operation);
      if (kind === 'update' && this.#memory.read(cell) !== before) this.#notify(draft, cell, Infinity);
    }
    this.#note(draft, id, operation, before);
    this.#proceed(draft, id, operation, result);
  }

  #proceed(draft: Draft, id: number, operation: Operation, result: number): void {
    this.#path.push({ thread: id, operation, result });
    const point = draft.points[id];
    if (point === undefined) return;
    draft.points[id] = this.#skipSilent(id, this.#histories.advance(this.#thread(id), point, result), false);
  }

  /** Keeps, if the program wants plain reads to see old values, what they may see after this operation. */
  #note(draft: Draft, id: number, { kind, at, cell, a }: Operation, before: number): void {
    if (this.#program.stale === undefined) return;
    const own = draft.past[id] ?? NONE;
    const isLoad = kind === 'load' || kind === 'wait' || kind === 'notify';
    const failed = kind === 'compareExchange' && before !== (a | 0);
    let left = NONE;
    if (kind === 'peek') left = afterPeek(own, cell, undefined, this.#program.chained === true);
    else if (kind === 'store') left = afterStore(own, cell);
    else if (!isLoad && !failed) left = afterExchange(own, cell);
    draft.past = draft.past.with(id, left);
    const changed = this.#memory.read(cell) !== before;
    if (changed && this.#program.stale(at)) draft.past = afterChange(draft.past, id, cell, before);
  }

  #peekOld(draft: Draft, id: number, seen: OldValues[number]): void {
    const operation = draft.points[id]?.next;
    if (operation === undefined) return;
    draft.past = draft.past.with(
      id,
      afterPeek(draft.past[id] ?? NONE, seen.cell, seen, this.#program.chained === true),
    );
    this.#proceed(draft, id, operation, seen.value);
  }

  #notify(draft: Draft, cell: number, most: number): number {
    const woken = draft.sleepers.filter((id) => draft.points[id]?.next?.cell === cell).slice(0, most);
    for (const id of woken) this.#wake(draft, id, Waited.OK);
    return woken.length;
  }

  #wake(draft: Draft, id: number, result: number): void {
    const point = draft.points[id];
    if (point === undefined) return;
    const later = this.#histories.advance(this.#thread(id), point, result);
    draft.points[id] = later;
    draft.statuses[id] = later.next === undefined ? ThreadStatus.DONE : ThreadStatus.FRESH;
    draft.sleepers = draft.sleepers.filter((sleeper) => sleeper !== id);
  }

  #skipSilent(id: number, start: Point | undefined, andLoads: boolean): Point {
    let point = start;
    if (point === undefined) throw new Error(`no thread ${id}`);
    for (;;) {
      const operation = point.next;
      if (operation === undefined || this.#program.silent?.(operation.at) !== true) return point;
      if (operation.kind === 'load' && !andLoads) return point;
      const result = perform(this.#memory, operation);
      this.#path.push({ thread: id, operation, result });
      point = this.#histories.advance(this.#thread(id), point, result);
    }
  }

  /** Lets each wait that has a finite time end by it. Whether there was one. */
  #timeOuts(frame: Frame): boolean {
    if (frame.timeouts >= (this.#program.timeouts ?? 0)) return false;
    const mayTimeOut = this.#impatient(frame);
    for (const id of mayTimeOut) {
      const { sleepers, past } = frame;
      const draft = { points: [...frame.points], statuses: [...frame.statuses], sleepers, past };
      this.#wake(draft, id, Waited.TIMED_OUT);
      this.#event({ ...frame, ...draft, timeouts: frame.timeouts + 1 }, id, 'timed out');
    }
    return mayTimeOut.length > 0;
  }

  /** Nobody can go on: all waits that have a finite time end by it. Whether there was one. */
  #lastResort(frame: Frame): boolean {
    const mayTimeOut = this.#impatient(frame);
    const [first] = mayTimeOut;
    if (first === undefined || frame.lastResorts >= (this.#program.lastResorts ?? 0)) return false;
    const { sleepers, past } = frame;
    const draft = { points: [...frame.points], statuses: [...frame.statuses], sleepers, past };
    for (const id of mayTimeOut) this.#wake(draft, id, Waited.TIMED_OUT);
    this.#event(
      { ...frame, ...draft, lastResorts: frame.lastResorts + 1 },
      first,
      'and all others timed out',
    );
    return true;
  }

  #impatient(frame: Frame): number[] {
    return frame.sleepers.filter((id) => Number.isFinite(frame.points[id]?.next?.b));
  }

  #vanishings(frame: Frame): void {
    if (frame.vanishings >= (this.#program.vanishings ?? 0)) return;
    for (let id = 0; id < this.#threads.length; id++) {
      const thread = this.#thread(id);
      const status = frame.statuses[id];
      const recent = id === frame.last || status === ThreadStatus.FRESH;
      if (thread.mortal !== true || !recent) continue;
      if (!canRun(status) && status !== ThreadStatus.ASLEEP) continue;
      const statuses = frame.statuses.map((before, other) =>
        before === ThreadStatus.DORMANT && this.#thread(other).reaps === thread.name
          ? ThreadStatus.READY
          : before,
      );
      statuses[id] = ThreadStatus.VANISHED;
      const points = frame.points.with(id, this.#histories.end(thread, frame.points[id]?.logs ?? []));
      const sleepers = frame.sleepers.filter((sleeper) => sleeper !== id);
      const last = frame.last === id ? NOBODY : frame.last;
      const past = frame.past.with(id, NONE);
      const vanishings = frame.vanishings + 1;
      this.#event({ ...frame, points, statuses, sleepers, past, last, vanishings }, id, 'vanishes');
    }
  }

  #event(frame: Frame, thread: number, event: string): void {
    const length = this.#path.length;
    this.#path.push({ thread, event });
    this.#visit(frame);
    this.#path.length = length;
  }

  #check(frame: Frame): void {
    for (const point of frame.points)
      if (point.failure !== undefined) throw new ScheduleFailed(point.failure);
    this.#judge(this.#program.invariant, frame);
  }

  #end(frame: Frame): void {
    this.#schedules++;
    const asleep = frame.sleepers.map((id) => this.#thread(id).name);
    const stuck = asleep.filter((name) => this.#program.mayEndAsleep?.includes(name) !== true);
    if (stuck.length > 0) throw new ScheduleFailed(`deadlock: ${stuck.join(', ')} will sleep for ever`);
    this.#judge(this.#program.end, frame);
  }

  #judge(judge: Program['end'], frame: Frame): void {
    if (judge === undefined) return;
    try {
      judge(new StateView(this.#memory, this.#threads, frame.points, frame.statuses));
    } catch (thrown) {
      throw new ScheduleFailed(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  #thread(id: number): VirtualThread {
    const thread = this.#threads[id];
    if (thread === undefined) throw new Error(`no thread ${id}`);
    return thread;
  }
}
