/**
 * Turns of connections: which handler runs when.
 *
 *     claim ─▶ forced? ─▶ flush output ─▶ read, data … (until exhausted or the budget is spent) ─▶ end ─▶ drain ─▶ timeout ─▶ conclude
 *                 └──────────────────────────── close ◀── failure, end of both sides, destroy ◀─────────────────────────────────┘
 *
 * A handler that returns a promise suspends the turn: the slot stays active here, the input moves to the shared buffers,
 * and when the promise settles the turn is concluded; whatever is still ready brings the next one.
 */
import type { Source } from '../reactor/source.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { asError } from '../reactor/thrown.ts';
import { Counter } from '../slots/layout.ts';
import { Cause, causeOf, handlerOf, isDisabled, isHeld, Phase, Trait } from '../slots/record.ts';
import { Flag, FLAGS_NONE, flagsOf, Ready } from '../slots/word.ts';
import { type Budget, budgetOf } from './budget.ts';
import { Connection } from './connection.ts';
import { ConnectionEnd } from './connection-end.ts';
import { Mark } from './connection-output.ts';
import { ConnectionTurn } from './connection-turn.ts';
import { progressOf } from './connecting.ts';
import { enterTurn, isPromise, leaveTurn, READ_BYTES, type WorkerContext } from './context.ts';
import { ABSENT, callHandler } from './handler-call.ts';
import type { ConnectionHandlers, ConnectionMethod as Method } from './handlers.ts';
import { type CloseReason, reasonFrom } from './reason.ts';
import { suspend } from './suspend.ts';

/** What makes a read worth trying. */
const READABLE = Ready.IN | Ready.RDHUP | Ready.HUP | Ready.ERR;
const GONE = Ready.HUP | Ready.ERR;
/** How far a connection is: it is there when only the latter is set. */
const BEGINNING = Phase.CONNECTING | Phase.OPENED;

const NO_BUDGET: Budget = budgetOf({});

/** A turn with the handle that its handlers are given; the handle is revoked at the turn's end. */
export class Turn extends ConnectionTurn {
  handle: Connection | undefined;
  budget: Budget = NO_BUDGET;
}

export class ConnectionSource implements Source {
  readonly #context: WorkerContext;
  readonly #end: ConnectionEnd;
  /** By handler. */
  readonly #budgets: readonly Budget[];
  #spare: Turn | undefined;

  constructor(context: WorkerContext) {
    this.#context = context;
    this.#end = new ConnectionEnd(context);
    this.#budgets = context.handlers.map(budgetOf);
  }

  /** First turn of a connection that this worker has just registered. */
  open(index: number): void {
    enterTurn(this.#context, index);
    const turn = this.#begin(index, 0);
    this.#opened(turn);
  }

  turn(index: number, claimed: number): void {
    enterTurn(this.#context, index);
    const turn = this.#begin(index, claimed);
    const ready = flagsOf(claimed) === FLAGS_NONE && (turn.phase & BEGINNING) === Phase.OPENED;
    if (ready || !this.#attend(turn, claimed)) this.#proceed(turn);
  }

  /** What a turn brings beside readiness, or on the way to a connection. True if the turn is over, or is async. */
  #attend(turn: Turn, claimed: number): boolean {
    const { index } = turn;
    if ((flagsOf(claimed) & (Flag.TIMER | Flag.CONTROL)) !== 0) turn.marks = Mark.TIMES;
    // What has arrived ends a silence, though the kernel was not asked yet: a process may have been stopped.
    if ((flagsOf(claimed) & Flag.TIMER) !== 0) turn.bits |= Ready.IN;
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      const reason = this.#context.memory.records.reason(index);
      const idle = turn.has(Phase.CONNECTING) && !turn.hasOutput;
      if (causeOf(reason) !== Cause.POOL_CLOSE || idle) {
        this.#close(turn, reasonFrom(reason));
        return true;
      }
      this.#end.beginDrain(turn);
    }
    if (turn.has(Phase.CONNECTING) && !this.#connected(turn)) return true;
    if (!turn.has(Phase.OPENED)) {
      // What was posted before is delivered after `open`.
      if (this.#context.memory.users.waiting(index) !== 0)
        this.#context.strands.posted(index, turn.generation);
      this.#opened(turn);
      return true;
    }
    const asked = (flagsOf(claimed) & Flag.CONTROL) !== 0;
    if (asked) this.#heed(turn);
    // A call of `data` may be owed, to a budget that was spent or to enable().
    if (asked) turn.offered = Number.POSITIVE_INFINITY;
    if (!this.#silenced(turn) && this.#triggered(turn)) return true;
    if (asked) this.#end.heedTimer(turn);
    return asked && !this.#silenced(turn) && this.#owesRest(turn) && this.#data(turn);
  }

  /** Whether there is a connection now. If not, the turn is over: connecting goes on, or has failed. */
  #connected(turn: Turn): boolean {
    const { native, memory, strands, connecting } = this.#context;
    const { index, generation } = turn;
    const silent = this.#silenced(turn);
    const progress = silent ? 0 : progressOf(native, memory, index);
    if (progress > 0) {
      turn.phase &= ~Phase.CONNECTING;
      turn.bits |= turn.has(Phase.DRAINING) ? Ready.IN | Ready.OUT : Ready.OUT;
      return true;
    }
    if (progress < 0) {
      turn.fail('connect', progress);
      this.#fail(turn);
      return false;
    }
    // While it is silent the bits stay, and tell it when it is not any more.
    const leftover = silent ? turn.bits : 0;
    this.#release(turn);
    strands.finish(index, leftover, Ready.OUT | GONE, silent);
    connecting.watch(index, generation);
    return false;
  }

  /** Calls `trigger` if something was posted. True if it is async. */
  #triggered(turn: Turn): boolean {
    const { users } = this.#context.memory;
    const bits = users.take(turn.index);
    if (bits === 0) return false;
    users.settle(turn.index);
    return this.#invoke(turn, 'trigger', bits);
  }

  /** Ends a pause that `enable()` has ended: a connection without handlers that run could never end it itself. */
  #heed(turn: Turn): void {
    const { records } = this.#context.memory;
    if (turn.has(Phase.PAUSED) && !isHeld(records.mailbox(turn.index))) turn.phase &= ~Phase.PAUSED;
  }

  /** A connection that the handler of another one uses; its slot was seized when it had this word. */
  use(index: number, seized: number): Turn {
    enterTurn(this.#context, index);
    const turn = new Turn(this.#context);
    turn.begin(index, seized);
    turn.budget = this.#budgetOf(turn);
    turn.peer = true;
    return turn;
  }

  handleOf(turn: Turn): Connection {
    turn.handle ??= new Connection(turn);
    return turn.handle;
  }

  /** Ends the use: what it has led to, as at the end of a turn. */
  conclude(turn: Turn): void {
    if (!turn.has(Phase.CONNECTING) || !this.#healthy(turn)) {
      this.#conclude(turn);
      return;
    }
    const { index, bits } = turn;
    const silent = this.#silenced(turn);
    this.#release(turn);
    this.#context.strands.finish(index, bits, Ready.OUT | GONE, silent);
  }

  #begin(index: number, claimed: number): Turn {
    const turn = this.#spare ?? new Turn(this.#context);
    this.#spare = undefined;
    turn.begin(index, claimed);
    turn.budget = this.#budgetOf(turn);
    return turn;
  }

  #budgetOf(turn: Turn): Budget {
    return this.#budgets[handlerOf(turn.config)] ?? NO_BUDGET;
  }

  #opened(turn: Turn): void {
    turn.phase |= Phase.OPENED;
    // Now, not at the end of the turn: a worker that dies in `open` owes the `close`.
    this.#context.memory.records.setPhase(turn.index, turn.phase);
    if (this.#invoke(turn, 'open')) return;
    this.#proceed(turn);
  }

  #proceed(turn: Turn): void {
    if (turn.hasOutput && (turn.bits & (Ready.OUT | GONE)) !== 0) turn.flush();
    if (this.#silenced(turn)) {
      this.#conclude(turn);
      return;
    }
    const { reads, bytes } = turn.budget;
    for (let read = 0; read < reads && turn.received < bytes && this.#mayRead(turn); read++) {
      if (!turn.read(Math.min(READ_BYTES, bytes - turn.received))) break;
      if (turn.has(Phase.DRAINING) && turn.has(Phase.ENDING) && !turn.grouped) {
        // It came after the end of our side: nothing could be answered.
        turn.consume(turn.inputLength);
        turn.phase |= Phase.STIRRED;
        continue;
      }
      if (this.#data(turn)) return;
      if (this.#isForced(turn)) {
        this.#conclude(turn);
        return;
      }
    }
    turn.sendGathered();
    if (this.#owesData(turn)) {
      // Its messages come first.
      this.#conclude(turn);
      return;
    }
    if (turn.has(Phase.PEER_ENDED) && !turn.has(Phase.END_SEEN)) {
      turn.phase |= Phase.END_SEEN;
      if (this.#invoke(turn, 'end')) return;
    }
    if (turn.has(Phase.ABOVE_MARK) && !turn.hasOutput) {
      if (this.#healthy(turn) && (turn.bits & Ready.ERR) !== 0) turn.takeError();
      if (this.#healthy(turn)) turn.phase &= ~Phase.ABOVE_MARK;
      // Nobody to write to any more: reading, which is allowed again, tells the end. Nor after our own end.
      const mayWrite = (turn.bits & Ready.HUP) === 0 && !turn.has(Phase.ENDING);
      if (this.#healthy(turn) && mayWrite && this.#invoke(turn, 'drain')) return;
    }
    if ((turn.marks & Mark.TIMES) !== 0 && this.#healthy(turn) && this.#timedOut(turn)) return;
    this.#conclude(turn);
  }

  /**
   * Calls `data`; one that takes a message a call is called again while it takes something and leaves something, up to its
   * budget. True if it is async: what it leaves is the next turn's.
   */
  #data(turn: Turn): boolean {
    do {
      turn.offered = turn.inputLength;
      turn.messages++;
      if (this.#invoke(turn, 'data')) return true;
    } while (this.#owesData(turn) && this.#mayCallData(turn) && !this.#isForced(turn));
    return false;
  }

  /** Whether a turn that was asked for begins with the input that is left. */
  #owesRest(turn: Turn): boolean {
    if (turn.inputLength === 0 || !turn.reading || !this.#healthy(turn)) return false;
    return turn.budget.messages === undefined || turn.inputLength < turn.offered;
  }

  #mayCallData(turn: Turn): boolean {
    return turn.budget.messages === undefined || turn.messages < turn.budget.messages;
  }

  /** Whether messages may be left for a `data` that takes one a call. */
  #owesData(turn: Turn): boolean {
    return turn.budget.messages !== undefined && this.#owesRest(turn);
  }

  /**
   * Looks whether a timeout is over, last of all: what this turn has brought may have moved it on. True if its handler is
   * async. Without a handler the connection ends.
   */
  #timedOut(turn: Turn): boolean {
    if ((turn.config & Trait.TIMED) === 0) return false;
    turn.keepTimes();
    const kind = this.#context.memory.timeouts.expire(turn.index, turn.config);
    if (kind === undefined) return false;
    if (this.#handlersOf(turn).timeout !== undefined) return this.#invoke(turn, 'timeout', kind);
    turn.closing = { type: 'timeout', kind };
    return false;
  }

  #mayRead(turn: Turn): boolean {
    return (turn.bits & READABLE) !== 0 && turn.reading && this.#healthy(turn) && this.#mayCallData(turn);
  }

  #healthy(turn: Turn): boolean {
    return turn.closing === undefined && turn.failure === undefined;
  }

  /** A teardown was asked for while a handler ran: what has arrived since is not delivered any more. */
  #isForced(turn: Turn): boolean {
    const { slots, records } = this.#context.memory;
    if ((slots.waitingFlags(turn.index) & Flag.FORCED) === 0) return false;
    return causeOf(records.reason(turn.index)) !== Cause.POOL_CLOSE;
  }

  #silenced(turn: Turn): boolean {
    return isDisabled(this.#context.memory.records.mailbox(turn.index)) && !turn.has(Phase.DRAINING);
  }

  /** Ends the turn: what it has led to, else what the slot waits for now. */
  #conclude(turn: Turn): void {
    turn.sendGathered();
    turn.keepInput();
    if (this.#healthy(turn) && (turn.bits & Ready.ERR) !== 0) turn.takeError();
    if (turn.failure !== undefined) {
      this.#fail(turn);
      return;
    }
    const owesData = this.#owesData(turn);
    if (turn.closing === undefined && !owesData) this.#end.conclude(turn);
    if (turn.closing !== undefined) {
      this.#close(turn, turn.closing);
      return;
    }
    // A drain that could not be called in this turn is owed the next one.
    if (turn.has(Phase.ABOVE_MARK) && !turn.hasOutput) turn.bits |= Ready.OUT;
    const outWanted = turn.hasOutput || turn.has(Phase.ABOVE_MARK) ? Ready.OUT : 0;
    const inWanted = turn.reading ? Ready.IN | Ready.RDHUP | Ready.HUP : 0;
    const { index, bits } = turn;
    const silenced = this.#silenced(turn);
    const silent = silenced || this.#isQuiet(turn);
    if ((turn.config & Trait.TIMED) !== 0) this.#keepTimes(turn, silenced);
    if (owesData && !silenced) this.#context.memory.slots.request(index, turn.generation, Flag.CONTROL);
    const { joining } = turn;
    this.#release(turn);
    // If that group has ended meanwhile, it stays alone.
    if (joining !== NO_GROUP && this.#context.memory.groups.refOf(index) === NO_GROUP)
      this.#context.strands.join(index, joining);
    // PRI is never wanted, but stays with an IN that is left: a read of the next turn may end at the urgent mark.
    const leftover = (bits & Ready.IN) === 0 ? bits & ~Ready.PRI : bits;
    this.#context.strands.finish(index, leftover, inWanted | outWanted | Ready.ERR, silent);
  }

  /**
   * A paused connection that is hung up. The kernel cannot be told to be quiet about that, and each re-arm of a oneshot
   * would report it again at once. There is nothing left to wait for but a request: a teardown, or `enable()`, which ends the pause.
   */
  #isQuiet(turn: Turn): boolean {
    return (turn.config & Trait.EDGE) === 0 && (turn.bits & Ready.HUP) !== 0 && !turn.reading;
  }

  /** A timeout that comes while nothing may be delivered is found again by the turn that ends the silence. */
  #keepTimes(turn: Turn, silenced: boolean): void {
    turn.keepTimes();
    if ((turn.marks & Mark.TIMES) !== 0 && !silenced) this.#context.strands.schedule(turn.index);
  }

  #fail(turn: Turn): void {
    const failure = turn.failure;
    if (failure === undefined) return;
    turn.failure = undefined;
    turn.closing = { type: 'error', error: failure.error };
    const handlers = this.#handlersOf(turn);
    if (handlers.error === undefined) {
      if (failure.thrown) this.#context.report(failure.error, this.#nameOf(turn), turn.index);
    } else if (this.#invoke(turn, 'error', failure.error)) {
      return;
    }
    this.#close(turn, turn.closing);
  }

  #close(turn: Turn, reason: CloseReason): void {
    turn.sendGathered();
    if (turn.failure?.thrown === true)
      this.#context.report(turn.failure.error, this.#nameOf(turn), turn.index);
    turn.failure = undefined;
    turn.closing = reason;
    if (!this.#context.strands.beginEnd(turn.index)) return;
    turn.ended = true;
    if (turn.has(Phase.OPENED | Phase.CONNECTING) && this.#invoke(turn, 'close', reason)) return;
    this.#closed(turn);
  }

  #closed(turn: Turn): void {
    if (turn.failure !== undefined) this.#context.report(turn.failure.error, this.#nameOf(turn), turn.index);
    const { index, closing } = turn;
    this.#release(turn);
    this.#context.locals.drop(index);
    // Only who was told that it is theirs gets it: a handler may have thrown, or the pool ended, after its detach().
    this.#context.strands.end(index, closing?.type === 'detached');
  }

  /** The turn's state goes back into the slot, and its handle is over. The slot is still ours. */
  #release(turn: Turn): void {
    turn.save();
    if (turn.handle !== undefined) Connection.revoke(turn.handle);
    turn.handle = undefined;
    leaveTurn(this.#context, turn.index);
    this.#spare = turn;
  }

  /** Calls a handler. True if it is async: then the turn goes on in #resume. */
  #invoke(turn: Turn, method: Method, argument?: Error | CloseReason | number | string): boolean {
    turn.handle ??= new Connection(turn);
    if (method !== 'timeout') turn.marks |= Mark.ACTIVE;
    turn.gathers = !turn.ended;
    let result: unknown;
    let promise: PromiseLike<unknown> | undefined;
    try {
      result = callHandler(this.#handlersOf(turn), method, turn.handle, argument);
      // What a handler returns is its own: to look at `then` may throw.
      if (isPromise(result)) promise = result;
    } catch (error) {
      this.#context.memory.count(Counter.HANDLED);
      this.#threw(turn, error);
      return false;
    }
    if (result === ABSENT) return false;
    this.#context.memory.count(Counter.HANDLED);
    if (promise === undefined) return false;
    this.#suspend(turn, method, promise);
    return true;
  }

  #threw(turn: Turn, thrown: unknown): void {
    turn.failure ??= { error: asError(thrown), thrown: true };
  }

  #suspend(turn: Turn, method: Method, result: PromiseLike<unknown>): void {
    turn.gathers = false;
    turn.sendGathered();
    turn.keepInput();
    // When it fails late, the turn may be another connection's.
    const { handle, index } = turn;
    const name = this.#nameOf(turn);
    suspend(this.#context, result, {
      fd: index,
      last: method === 'close',
      abort: () => {
        if (turn.handle !== undefined) Connection.abort(turn.handle);
      },
      failed: (error, late) => {
        if (handle !== undefined && Connection.gaveUp(handle, error)) return;
        if (late) this.#context.report(error, name, index);
        else this.#threw(turn, error);
      },
      settled: () => this.#resume(turn, method),
      revoked: () => {
        if (turn.handle !== undefined) Connection.revoke(turn.handle);
        turn.handle = undefined;
        if (method === 'close') this.#closed(turn);
        else this.#close(turn, reasonFrom(this.#context.memory.records.reason(turn.index)));
      },
    });
  }

  #resume(turn: Turn, method: Method): void {
    if (method === 'close') this.#closed(turn);
    else if (method === 'error') this.#close(turn, turn.closing ?? { type: 'destroyed' });
    else this.#conclude(turn);
  }

  #nameOf(turn: Turn): string {
    return this.#context.names[handlerOf(turn.config)] ?? '';
  }

  #handlersOf(turn: Turn): ConnectionHandlers {
    return this.#context.handlers[handlerOf(turn.config)] as ConnectionHandlers;
  }
}
