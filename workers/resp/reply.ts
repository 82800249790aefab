/** Replies of RESP2, collected until they are written together. */
import { writeDecimal } from './decimal.ts';
import type { Slice } from './slice.ts';
import type { Sink } from './store.ts';

const FIRST_BYTES = 64 * 1024;
/** More is given back when it was written: a worker that once had a long reply does not keep its memory. */
const KEPT_BYTES = 4 * 2 ** 20;
/** A longer reply could not be sent: what the client has not read would be more than `maxOutput`, 64 MiB by default. */
export const MAX_REPLY_BYTES: number = 48 * 2 ** 20;
/** Sign, type, digits, CR LF. */
const MOST_HEAD_BYTES = 32;

const LF = 10;
const CR = 13;
const DOLLAR = 36;
const STAR = 42;
const COLON = 58;

const OK = Buffer.from('+OK\r\n');
const NIL = Buffer.from('$-1\r\n');

/** A reply would be longer than MAX_REPLY_BYTES. */
export class ReplyTooLong extends Error {
  override readonly name: string = 'ReplyTooLong';
}

/** Takes values from the store as they are. */
export class Reply implements Sink {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  length = 0;
  /** Where the reply begins that is being made. */
  #start = 0;

  /** The next reply begins. */
  begin(): void {
    this.#start = this.length;
  }

  /** In the place of the reply that was begun, an error. */
  insteadError(text: string): void {
    this.length = this.#start;
    this.error(text);
  }

  /** What was collected; valid until the next reply. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    this.length = 0;
    this.#start = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    return taken;
  }

  ok(): void {
    this.raw(OK);
  }

  nil(): void {
    this.raw(NIL);
  }

  missing(): void {
    this.raw(NIL);
  }

  /** Bytes that are a reply already. */
  raw(reply: Buffer): void {
    this.#room(reply.length);
    this.bytes.set(reply, this.length);
    this.length += reply.length;
  }

  /** A word; no line ends. */
  simple(text: string): void {
    this.#line(`+${text}`);
  }

  /** An error; its first word is the kind. A character is a byte, since it may show what the client has sent. */
  error(text: string): void {
    this.#line(`-${text.replaceAll(/[\r\n]/g, ' ')}`, 'latin1');
  }

  integer(value: number | bigint): void {
    if (typeof value === 'number') this.#head(COLON, value);
    else this.#line(`:${value}`);
  }

  array(length: number): void {
    this.#head(STAR, length);
  }

  text(text: string): void {
    const length = Buffer.byteLength(text);
    const at = this.value(length);
    this.bytes.write(text, at);
  }

  slice({ bytes, start, end }: Slice): void {
    const at = this.value(end - start);
    this.bytes.set(bytes.subarray(start, end), at);
  }

  /** Makes room for a value, between its length and its end. Where it begins. */
  value(length: number): number {
    this.#room(length + MOST_HEAD_BYTES);
    this.#head(DOLLAR, length);
    const at = this.length;
    this.bytes[at + length] = CR;
    this.bytes[at + length + 1] = LF;
    this.length = at + length + 2;
    return at;
  }

  #line(line: string, encoding: 'utf8' | 'latin1' = 'utf8'): void {
    this.#room(line.length * 3 + 2);
    this.length += this.bytes.write(line, this.length, encoding);
    this.#end();
  }

  #end(): void {
    this.bytes[this.length++] = CR;
    this.bytes[this.length++] = LF;
  }

  #head(type: number, value: number): void {
    this.#room(MOST_HEAD_BYTES);
    const { bytes } = this;
    bytes[this.length++] = type;
    let digits = value < 0 ? 2 : 1;
    for (let limit = 10; Math.abs(value) >= limit; limit *= 10) digits++;
    this.length += digits;
    writeDecimal(value, bytes, this.length);
    this.#end();
  }

  #room(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    if (needed - this.#start > MAX_REPLY_BYTES) throw new ReplyTooLong();
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, needed));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
