/**
 * The output of one turn of a connection.
 *
 *     write ─▶ gathered in the worker's write area ─▶ one system call at the end of the turn ─▶ what the kernel leaves: a block
 *        └───▶ sent at once: what is large, what comes after an await ───────────────────────┘
 *
 * W1  Bytes leave in the order of the writes: what is sent at once has what was gathered sent before it.
 * W2  The write area is the worker's; one turn at a time gathers in it. Who needs it for anything else sends that first.
 * W3  The area does not outlive the turn: whoever gives the slot away has sent it.
 */
import { SystemError } from '../errors.ts';
import { Errno } from '../native/index.ts';
import { NO_GROUP } from '../slots/groups.ts';
import { Config } from '../slots/layout.ts';
import { Phase, Trait } from '../slots/record.ts';
import { Ready } from '../slots/word.ts';
import { claimWriteArea, READ_BYTES, type WorkerContext } from './context.ts';
import type { CloseReason } from './reason.ts';

/** What is longer is sent from where it is: a copy would cost about as much as the system call that it saves. */
const LONGEST_GATHERED = 16 * 1024;
/** Bytes of UTF-8 that a unit of a JavaScript string can take. */
const MOST_PER_UNIT = 3;

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

export class ConnectionOutput {
  readonly context: WorkerContext;
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
  /** Whether what is written is gathered: somebody will call sendGathered(). */
  gathers = false;
  /** The whole input as it came, in place. */
  protected view: Buffer | undefined;
  #output = 0;
  #gathered = 0;

  constructor(context: WorkerContext) {
    this.context = context;
  }

  protected beginOutput(block: number): void {
    this.gathers = false;
    this.#output = block;
  }

  has(phase: number): boolean {
    return (this.phase & phase) !== 0;
  }

  /** Whether the kernel has left something. */
  get hasOutput(): boolean {
    return this.#output !== 0;
  }

  /** Bytes that the kernel has left. */
  get outputLength(): number {
    return this.context.memory.data.lengthOf(this.#output);
  }

  /** Sends, now or at the end of the turn, and keeps what the kernel does not take. False at or above the high-water mark. */
  write(chunk: Uint8Array | string): boolean {
    if (this.closing !== undefined || this.failure !== undefined) return false;
    if (chunk.length === 0) return !this.has(Phase.ABOVE_MARK);
    if (this.has(Phase.DRAINING)) this.phase |= Phase.STIRRED;
    if (!this.#gather(chunk)) {
      this.sendGathered();
      if (this.failure === undefined)
        this.#sendOrKeep(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    }
    return !this.has(Phase.ABOVE_MARK) && this.closing === undefined && this.failure === undefined;
  }

  /** Sends what the turn has gathered. */
  sendGathered(): void {
    if (this.#gathered > 0) this.#sendGathered();
  }

  #sendGathered(): void {
    const { context } = this;
    const count = this.#gathered;
    this.#gathered = 0;
    context.gathering = undefined;
    const { region } = context.output;
    const sent = this.#sendFrom(region.address, count);
    if (sent < count && this.failure === undefined) this.#keepOutput(region.bytes.subarray(sent, count));
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

  fail(syscall: string, errno: number): void {
    this.failure ??= { error: new SystemError(syscall, errno, this.index), thrown: false };
    this.bits = 0;
  }

  /** Adds to what leaves together. False if the chunk is to be sent at once. */
  #gather(chunk: Uint8Array | string): boolean {
    const { context } = this;
    if (!this.gathers || this.#output !== 0 || this.has(Phase.CONNECTING)) return false;
    // The input as it came, as an echo sends it, is where the kernel can take it from.
    if (chunk === this.view && this.#gathered === 0) return false;
    const most = typeof chunk === 'string' ? chunk.length * MOST_PER_UNIT : chunk.length;
    if (most > LONGEST_GATHERED) return false;
    if (context.gathering !== this) {
      claimWriteArea(context);
      context.gathering = this;
    } else if (this.#gathered + most > READ_BYTES) {
      this.sendGathered();
      if (this.#output !== 0 || this.failure !== undefined) return false;
      context.gathering = this;
    }
    const { buffer } = context.output;
    if (typeof chunk === 'string') {
      this.#gathered += buffer.write(chunk, this.#gathered);
    } else {
      buffer.set(chunk, this.#gathered);
      this.#gathered += chunk.length;
    }
    // The answer of write() is to be true.
    if (this.#gathered >= context.memory.config(Config.HIGH_WATER_MARK)) this.sendGathered();
    return true;
  }

  #sendOrKeep(bytes: Uint8Array): void {
    const sends = this.#output === 0 && !this.has(Phase.CONNECTING);
    const sent = sends ? this.#send(bytes) : 0;
    if (sent < bytes.length && this.failure === undefined) this.#keepOutput(bytes.subarray(sent));
  }

  /**
   * The output's block, to be changed or given back. The slot names it again with #setOutput: a worker that dies in between
   * loses it, and never leaves a block behind that has been given back and may be another connection's by now.
   */
  #lendOutput(): number {
    return this.context.memory.records.takeOutput(this.index);
  }

  #setOutput(block: number): void {
    this.#output = block;
    this.context.memory.records.setOutput(this.index, block);
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
    const { context } = this;
    const { input, memory, dataAddress, output } = context;
    // (`buffer` is a call into the runtime, 40 ns.)
    if (bytes === this.view) return this.#sendFrom(input.region.address, bytes.length);
    const { buffer } = bytes;
    if (buffer === input.shared) {
      return this.#sendFrom(
        input.region.address + bytes.byteOffset - input.region.bytes.byteOffset,
        bytes.length,
      );
    }
    if (buffer === memory.buffers.data) return this.#sendFrom(dataAddress + bytes.byteOffset, bytes.length);
    claimWriteArea(context);
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
