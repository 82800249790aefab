/**
 * One turn of a connection: its state out of the slot while this worker owns it. Reads, writes, buffers; no handlers.
 *
 * Unread input is in one of two places: `fresh`, a range of the worker's read area, which the next read overwrites; or
 * a block of the shared buffers, where it goes when it must outlive the handler. Output that the kernel did not take is
 * in a block. Bits are this turn's readiness: IN is cleared when the input is exhausted, OUT when a write came short.
 */
import { SystemError } from '../errors.ts';
import { Errno } from '../native/index.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { Config } from '../slots/layout.ts';
import { Phase, Trait } from '../slots/record.ts';
import { Ready, readyOf } from '../slots/word.ts';
import { READ_BYTES, type WorkerContext } from './context.ts';
import type { CloseReason } from './reason.ts';
import { TurnRows } from './state-rows.ts';

/** Anything that says that more than a drained socket may be behind a short read: see DESIGN on exhausted reads. */
const MORE_THAN_DATA = Ready.PRI | Ready.RDHUP | Ready.HUP | Ready.ERR;

/** What a turn has done, for its timeouts. */
export const Mark = {
  /** Somebody was heard of: the idle timeout is pushed ahead. */
  ACTIVE: 1,
  /** The handler has taken input; the kernel has taken output. */
  CONSUMED: 2,
  SENT: 4,
  /** The slot's times are to be looked at. */
  TIMES: 8,
} as const;

export class ConnectionTurn {
  readonly context: WorkerContext;
  /** The states that its handlers have asked for. */
  readonly rows: TurnRows;
  index = 0;
  generation = 0;
  config = 0;
  bits = 0;
  phase = 0;
  /** Of Mark. */
  marks = 0;
  /** What this turn has read, in bytes, and how often `data` was called in it. */
  received = 0;
  messages = 0;
  /** Unread input when `data` was last called: if less of it is left, `data` has taken something and may take more. */
  offered = 0;
  /** What ends the connection after the handler, if anything. */
  closing: CloseReason | undefined;
  /** What went wrong: a failed system call, or what a handler threw. */
  failure: { readonly error: Error; readonly thrown: boolean } | undefined;
  /** Used by the handler of another connection of its group. */
  peer = false;
  /** The group that it joins when its turn is over. */
  joining: number = NO_GROUP;
  /** The slot is CLOSING: nothing may be sent any more. */
  ended = false;
  #block = 0;
  #freshStart = 0;
  #freshEnd = 0;
  #output = 0;
  /** The last view of the read area that began at its start. */
  #view: Buffer | undefined;

  constructor(context: WorkerContext) {
    this.context = context;
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
    this.#output = records.output(index);
    this.#freshStart = 0;
    this.#freshEnd = 0;
  }

  /** Puts the state back into the slot; its blocks are there already. */
  save(): void {
    if (!this.ended) this.keepInput();
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

  #lendOutput(): number {
    return this.context.memory.records.takeOutput(this.index);
  }

  #setOutput(block: number): void {
    this.#output = block;
    this.context.memory.records.setOutput(this.index, block);
  }

  has(phase: number): boolean {
    return (this.phase & phase) !== 0;
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

  get hasOutput(): boolean {
    return this.#output !== 0;
  }

  get outputLength(): number {
    return this.context.memory.data.lengthOf(this.#output);
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
      const view = this.#view;
      if (this.#freshStart === 0 && view !== undefined && view.length === this.#freshEnd) return view;
      const made = this.context.input.buffer.subarray(this.#freshStart, this.#freshEnd);
      if (this.#freshStart === 0) this.#view = made;
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
    else this.#setInput(this.context.memory.data.consume(this.#lendInput(), count));
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
    if (count === 0) {
      this.phase |= Phase.PEER_ENDED;
      this.bits &= ~(Ready.IN | Ready.RDHUP | Ready.PRI);
    } else if (count === Errno.EAGAIN) {
      this.bits &= ~(Ready.IN | Ready.RDHUP | Ready.PRI | Ready.HUP);
      if ((this.bits & Ready.ERR) !== 0) this.takeError();
    } else if (count !== Errno.EINTR) {
      this.fail('read', count);
    }
    return false;
  }

  /** Moves fresh input into the shared buffers: the read area is about to be used again. */
  keepInput(): void {
    if (this.#freshEnd === this.#freshStart) return;
    const { input, memory } = this.context;
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

  /** Sends, or keeps what the kernel does not take. False at or above the high-water mark. */
  write(chunk: Uint8Array | string): boolean {
    if (this.closing !== undefined || this.failure !== undefined) return false;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    if (bytes.length === 0) return !this.has(Phase.ABOVE_MARK);
    if (this.has(Phase.DRAINING)) this.phase |= Phase.STIRRED;
    const sends = this.#output === 0 && !this.has(Phase.CONNECTING);
    const sent = sends ? this.#send(bytes) : 0;
    if (sent < bytes.length && this.failure === undefined) this.#keepOutput(bytes.subarray(sent));
    return !this.has(Phase.ABOVE_MARK) && this.closing === undefined && this.failure === undefined;
  }

  /** Sends what was kept. */
  flush(): void {
    const { data } = this.context.memory;
    while (this.#output !== 0) {
      const length = data.lengthOf(this.#output);
      const sent = this.#sendFrom(this.context.dataAddress + data.offsetOf(this.#output), length);
      if (this.failure !== undefined) return;
      if (sent > 0) this.marks |= Mark.ACTIVE | Mark.SENT;
      if (sent > 0) this.#setOutput(data.consume(this.#lendOutput(), sent));
      if (sent < length) return;
    }
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

  fail(syscall: string, errno: number): void {
    this.failure ??= { error: new SystemError(syscall, errno, this.index), thrown: false };
    this.bits = 0;
  }

  /** Takes the socket's pending error, if there is one. */
  takeError(): void {
    this.bits &= ~Ready.ERR;
    const errno = this.context.native.takeError(this.index);
    if (errno > 0) this.fail('read', -errno);
    // What has no pending error to take is a pipe whose reader is gone: it would be reported again at each re-arm.
    else if (errno === Errno.ENOTSOCK) this.fail('write', Errno.EPIPE);
  }

  #keepOutput(rest: Uint8Array): void {
    const { memory } = this.context;
    const total = this.outputLength + rest.length;
    const fits = total <= memory.config(Config.MAX_OUTPUT);
    const before = this.#output;
    const block = fits ? memory.data.append(this.#lendOutput(), rest) : undefined;
    this.#setOutput(block ?? before);
    if (block === undefined) {
      this.closing ??= { type: 'output-overflow' };
      return;
    }
    if (total < memory.config(Config.HIGH_WATER_MARK)) return;
    if (!this.has(Phase.ABOVE_MARK))
      this.phase = this.peer ? this.phase | Phase.FED : this.phase & ~Phase.FED;
    this.phase |= Phase.ABOVE_MARK;
  }

  #send(bytes: Uint8Array): number {
    const { input, memory, dataAddress, output } = this.context;
    // The input as it came, as an echo sends it: its place is known. (`buffer` is a call into the runtime, 40 ns.)
    if (bytes === this.#view) return this.#sendFrom(input.region.address, bytes.length);
    const { buffer } = bytes;
    if (buffer === input.shared) {
      return this.#sendFrom(
        input.region.address + bytes.byteOffset - input.region.bytes.byteOffset,
        bytes.length,
      );
    }
    if (buffer === memory.buffers.data) return this.#sendFrom(dataAddress + bytes.byteOffset, bytes.length);
    let done = 0;
    while (done < bytes.length) {
      const piece = Math.min(READ_BYTES, bytes.length - done);
      output.region.bytes.set(piece === bytes.length ? bytes : bytes.subarray(done, done + piece));
      const sent = this.#sendFrom(output.region.address, piece);
      done += sent;
      if (sent < piece) break;
    }
    return done;
  }

  /** One write (more after EINTR). Returns the bytes that the kernel took; a short count means that OUT will be reported. */
  #sendFrom(address: number, length: number): number {
    const { native } = this.context;
    const streams = (this.config & Trait.STREAM) !== 0;
    for (;;) {
      const sent = streams
        ? native.send(this.index, address, length)
        : native.write(this.index, address, length);
      if (sent >= 0) {
        if (sent < length) this.bits &= ~Ready.OUT;
        return sent;
      }
      if (sent === Errno.EAGAIN) {
        this.bits &= ~Ready.OUT;
        return 0;
      }
      if (sent !== Errno.EINTR) {
        this.fail('write', sent);
        return 0;
      }
    }
  }
}
