/**
 * One turn of a connection: its state out of the slot while this worker owns it. Reads and their buffers here, writes in
 * connection-output.ts; no handlers.
 *
 * Unread input is in one of two places: `fresh`, a range of the worker's read area, which the next read overwrites; or
 * a block of the shared buffers, where it goes when it must outlive the handler. Either way what a handler has been given
 * a view of stays where it is until the handler is done: a block that is used up is given back after that. Bits are this
 * turn's readiness: IN is cleared when the input is exhausted, OUT when a write came short.
 */
import { Errno } from '../native/index.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { Config } from '../slots/layout.ts';
import { Phase, Trait } from '../slots/record.ts';
import { Ready, readyOf } from '../slots/word.ts';
import { ConnectionOutput, Mark } from './connection-output.ts';
import { READ_BYTES, type WorkerContext } from './context.ts';
import { TurnRows } from './state-rows.ts';

/** Anything that says that more than a drained socket may be behind a short read: see DESIGN on exhausted reads. */
const MORE_THAN_DATA = Ready.PRI | Ready.RDHUP | Ready.HUP | Ready.ERR;

export class ConnectionTurn extends ConnectionOutput {
  /** The states that its handlers have asked for. */
  readonly rows: TurnRows;
  #block = 0;
  #freshStart = 0;
  #freshEnd = 0;
  /** Blocks of which the handler may have views still. */
  readonly #left: number[] = [];

  constructor(context: WorkerContext) {
    super(context);
    this.rows = new TurnRows(context.rows);
  }

  /** Takes the state of a slot that this worker has just claimed or registered. */
  begin(index: number, claimed: number): void {
    const { records, slots } = this.context.memory;
    this.index = index;
    this.generation = slots.generation(index);
    this.config = records.config(index);
    this.bits = readyOf(claimed);
    this.phase = records.phase(index);
    this.marks = 0;
    this.received = 0;
    this.messages = 0;
    // A handler that paused, or wrote above the mark, may have left whole messages.
    this.offered = this.reading ? 0 : Number.POSITIVE_INFINITY;
    this.closing = undefined;
    this.failure = undefined;
    this.ended = false;
    this.peer = false;
    this.joining = NO_GROUP;
    this.#block = records.input(index);
    this.beginOutput(records.output(index));
    this.#freshStart = 0;
    this.#freshEnd = 0;
  }

  /** Puts the state back into the slot; its blocks are there already. */
  save(): void {
    if (this.ended) this.#giveBack();
    else this.keepInput();
    this.context.memory.records.setPhase(this.index, this.phase);
  }

  /**
   * The input's block, to be changed or given back. The slot names it again with #setInput: a worker that dies in between
   * loses it, and never leaves a block behind that has been given back and may be another connection's by now.
   */
  #lendInput(): number {
    return this.context.memory.records.takeInput(this.index);
  }

  #setInput(block: number): void {
    this.#block = block;
    this.context.memory.records.setInput(this.index, block);
  }

  /** Tells other threads whether this connection is paused: their `enable()` ends that. */
  hold(held: boolean): void {
    this.context.memory.records.hold(this.index, this.generation, held);
  }

  /** Whether it is in a group. */
  get grouped(): boolean {
    return this.context.memory.groups.refOf(this.index) !== NO_GROUP;
  }

  /** Whether input is wanted now. What a peer has written stops nothing: it pauses whom it reads from. */
  get reading(): boolean {
    if ((this.phase & (Phase.PAUSED | Phase.PEER_ENDED)) !== 0) return false;
    return (this.phase & (Phase.ABOVE_MARK | Phase.FED)) !== Phase.ABOVE_MARK;
  }

  get inputLength(): number {
    return this.#block === 0
      ? this.#freshEnd - this.#freshStart
      : this.context.memory.data.lengthOf(this.#block);
  }

  /** The unread input, in place: valid until the next read or consume. */
  get input(): Buffer {
    if (this.#block === 0) {
      // The same view again where it fits: most requests are of a few sizes, and making a Buffer costs 50 ns.
      const view = this.view;
      if (this.#freshStart === 0 && view !== undefined && view.length === this.#freshEnd) return view;
      const made = this.context.input.buffer.subarray(this.#freshStart, this.#freshEnd);
      if (this.#freshStart === 0) this.view = made;
      return made;
    }
    const { data } = this.context.memory;
    const offset = data.offsetOf(this.#block);
    return this.context.dataBuffer.subarray(offset, offset + data.lengthOf(this.#block));
  }

  /** Drops the first `count` bytes of the unread input. */
  consume(count: number): void {
    if (count > 0) this.marks |= Mark.CONSUMED;
    if (this.#block === 0) this.#freshStart += Math.min(count, this.#freshEnd - this.#freshStart);
    else this.context.memory.data.advance(this.#block, count);
  }

  /** Puts bytes back in front of the unread input. What the handler has taken stays as it is: it has views of it. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (!this.#retreat(bytes)) this.#prepend(bytes);
    // As if it had not been taken: a handler that always puts it back has taken nothing.
    if (this.inputLength >= this.offered) this.marks &= ~Mark.CONSUMED;
  }

  /** Takes back what was taken last, in place. False if the bytes are others. */
  #retreat(bytes: Uint8Array): boolean {
    if (this.#block !== 0) return this.context.memory.data.retreat(this.#block, bytes);
    const start = this.#freshStart - bytes.length;
    if (start < 0 || this.context.input.buffer.compare(bytes, 0, bytes.length, start, this.#freshStart) !== 0)
      return false;
    this.#freshStart = start;
    return true;
  }

  #prepend(bytes: Uint8Array): void {
    const { memory, input } = this.context;
    const total = bytes.length + this.inputLength;
    const front = total <= memory.config(Config.MAX_INPUT) ? memory.data.append(0, bytes) : undefined;
    const rest =
      this.#block === 0
        ? input.buffer.subarray(this.#freshStart, this.#freshEnd)
        : memory.data.dataOf(this.#block);
    const whole = front === undefined ? undefined : memory.data.append(front, rest);
    if (whole === undefined) {
      if (front !== undefined) memory.data.release(front);
      this.closing ??= { type: 'input-overflow' };
      return;
    }
    this.#freshStart = 0;
    this.#freshEnd = 0;
    const before = this.#lendInput();
    this.#setInput(whole);
    if (before !== 0) this.#left.push(before);
  }

  /**
   * One read, of at most `most` bytes. True if there is new input; false at the end of what is there: then IN is cleared,
   * and PEER_ENDED or `failure` tell what was found.
   */
  read(most: number = READ_BYTES): boolean {
    const { native, input } = this.context;
    this.keepInput();
    if (this.closing !== undefined) return false;
    const streams = (this.config & Trait.STREAM) !== 0;
    const { address } = input.region;
    const count = streams
      ? native.receive(this.index, address, most)
      : native.read(this.index, address, most);
    if (count > 0) {
      this.received += count;
      if (this.has(Phase.DRAINING)) this.phase |= Phase.STIRRED;
      // A read of AF_UNIX ends at each message that carries descriptors, whatever is behind it.
      const drained = streams && (this.config & Trait.NOT_TCP) === 0 && count < most;
      if (drained && (this.bits & MORE_THAN_DATA) === 0) this.bits &= ~Ready.IN;
      this.#freshStart = 0;
      this.#freshEnd = count;
      // Behind an unread rest, the new bytes join it.
      if (this.#block !== 0) this.keepInput();
      return this.closing === undefined;
    }
    this.#readNothing(count);
    return false;
  }

  #readNothing(count: number): void {
    if (count === 0) {
      this.phase |= Phase.PEER_ENDED;
      this.bits &= ~(Ready.IN | Ready.RDHUP | Ready.PRI);
    } else if (count === Errno.EAGAIN) {
      this.bits &= ~(Ready.IN | Ready.RDHUP | Ready.PRI | Ready.HUP);
      if ((this.bits & Ready.ERR) !== 0) this.takeError();
    } else if (count !== Errno.EINTR) {
      this.fail('read', count);
    }
  }

  /** Moves fresh input into the shared buffers: the read area is about to be used again. */
  keepInput(): void {
    if (this.#block !== 0 || this.#freshEnd !== this.#freshStart || this.#left.length > 0) this.#keepInput();
  }

  #keepInput(): void {
    const { input, memory } = this.context;
    this.#giveBack();
    if (this.#block !== 0 && memory.data.lengthOf(this.#block) === 0) {
      memory.data.release(this.#lendInput());
      this.#block = 0;
    }
    if (this.#freshEnd === this.#freshStart) return;
    const rest = input.buffer.subarray(this.#freshStart, this.#freshEnd);
    this.#freshStart = 0;
    this.#freshEnd = 0;
    const most = memory.config(Config.MAX_INPUT);
    const fits = this.inputLength + rest.length <= most;
    const before = this.#block;
    const block = fits ? memory.data.append(this.#lendInput(), rest) : undefined;
    if (block === undefined) this.closing ??= { type: 'input-overflow' };
    this.#setInput(block ?? before);
  }

  #giveBack(): void {
    while (this.#left.length > 0) this.context.memory.data.release(this.#left.pop() ?? 0);
  }

  /** Keeps the timeouts up to what the turn has done so far. */
  keepTimes(): void {
    const { timeouts } = this.context.memory;
    if ((this.marks & Mark.ACTIVE) !== 0 && (this.config & Trait.IDLE) !== 0) timeouts.touch(this.index);
    if ((this.config & Trait.PACED) === 0) return;
    const begun = timeouts.pace(this.index, {
      reading: this.reading,
      rest: this.inputLength > 0,
      consumed: (this.marks & Mark.CONSUMED) !== 0,
      waits: this.hasOutput,
      sent: (this.marks & Mark.SENT) !== 0,
    });
    this.marks &= ~(Mark.CONSUMED | Mark.SENT);
    if (begun) this.marks |= Mark.TIMES;
  }

  /** Sets or lifts the deadline. */
  setDeadline(afterMs: number | undefined): void {
    this.context.strands.setDeadline(this.index, afterMs);
    this.config = this.context.memory.records.config(this.index);
  }

  /** Sets or lifts the idle timeout. */
  setIdle(idleMs: number | undefined): void {
    this.context.strands.setIdle(this.index, idleMs);
    this.config = this.context.memory.records.config(this.index);
  }

  /** Takes the socket's pending error, if there is one. */
  takeError(): void {
    this.bits &= ~Ready.ERR;
    const errno = this.context.native.takeError(this.index);
    if (errno > 0) this.fail('read', -errno);
    // What has no pending error to take is a pipe whose reader is gone: it would be reported again at each re-arm.
    else if (errno === Errno.ENOTSOCK) this.fail('write', Errno.EPIPE);
  }
}
