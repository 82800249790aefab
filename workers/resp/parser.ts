/**
 * Commands of RESP2 in the bytes that have arrived: arrays of counted strings, and lines of words as people type them.
 *
 * The arguments are slices of the input, the same few objects for each command: a command costs no memory.
 */
import { MAX_BYTES } from './layout.ts';
import type { Slice } from './slice.ts';

/** The longest argument: a key or a value. */
export const MAX_BULK_BYTES: number = MAX_BYTES;
/** All of one command. */
export const MAX_COMMAND_BYTES: number = 8 * 2 ** 20;
const MAX_ARGUMENTS = 2 ** 20;
const MAX_LINE_BYTES = 64 * 1024;
/** `$0`, and two ends of lines: each argument takes at least so much. */
const LEAST_BULK_BYTES = 6;
/** Digits and sign of a length. */
const MAX_LENGTH_BYTES = 20;

const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const DOLLAR = 36;
const APOSTROPHE = 39;
const STAR = 42;
const MINUS = 45;
const ZERO = 48;
const BACKSLASH = 92;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };

/** The client does not speak the protocol. The message is Redis' own: clients know it. */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError';

  constructor(what: string) {
    super(`Protocol error: ${what}`);
  }
}

export class Parser {
  /** The first `count` of them are the arguments, the name of the command first. */
  readonly args: Slice[] = [];
  count = 0;
  /** Where the next command begins. */
  end = 0;
  /** Of the last length that was read. */
  #value = 0;

  /** Takes the command that begins at `start`. False if it is not whole: then `end` is what must have arrived before it can be. */
  parse(input: Buffer, start: number): boolean {
    this.count = 0;
    if (input[start] !== STAR) return this.#parseLine(input, start);
    let at = this.#readLength(input, start + 1, 'invalid multibulk length', 'too big mbulk count string');
    if (at === 0) return this.#isIncomplete(input.length + 1);
    const count = this.#value;
    if (count > MAX_ARGUMENTS) throw new ProtocolError('invalid multibulk length');
    while (this.count < count) {
      const others = (count - this.count - 1) * LEAST_BULK_BYTES;
      if (at >= input.length) return this.#isIncomplete(at + LEAST_BULK_BYTES + others);
      if (input[at] !== DOLLAR) throw new ProtocolError(`expected '$', got '${shown(input[at])}'`);
      at = this.#readLength(input, at + 1, 'invalid bulk length', 'too big bulk count string');
      if (at === 0) return this.#isIncomplete(input.length + 1 + others);
      const length = this.#value;
      if (length < 0 || length > MAX_BULK_BYTES) throw new ProtocolError('invalid bulk length');
      if (at + length - start > MAX_COMMAND_BYTES) throw new ProtocolError('too big command');
      if (at + length + 2 > input.length) return this.#isIncomplete(at + length + 2 + others);
      this.#add(input, at, at + length);
      at += length + 2;
    }
    this.end = at;
    return true;
  }

  #isIncomplete(needed: number): false {
    this.end = needed;
    return false;
  }

  #add(bytes: Uint8Array, start: number, end: number): void {
    const slice = this.args[this.count];
    if (slice === undefined) {
      this.args.push({ bytes, start, end });
    } else {
      slice.bytes = bytes;
      slice.start = start;
      slice.end = end;
    }
    this.count++;
  }

  /** Reads a decimal number and CR LF into #value. Where it ends; 0 if that has not arrived. */
  #readLength(input: Buffer, start: number, wrong: string, tooLong: string): number {
    const negative = input[start] === MINUS;
    let value = 0;
    for (let at = negative ? start + 1 : start; at < input.length; at++) {
      const byte = input[at] ?? 0;
      if (byte === CR) {
        if (at === (negative ? start + 1 : start)) throw new ProtocolError(wrong);
        this.#value = negative ? -value : value;
        return at + 1 < input.length ? at + 2 : 0;
      }
      const digit = byte - ZERO;
      if (digit < 0 || digit > 9) throw new ProtocolError(wrong);
      value = value * 10 + digit;
      if (at - start >= MAX_LENGTH_BYTES) throw new ProtocolError(tooLong);
    }
    return 0;
  }

  #parseLine(input: Buffer, start: number): boolean {
    const end = input.indexOf(LF, start);
    if (end < 0 && input.length - start < MAX_LINE_BYTES) return this.#isIncomplete(input.length + 1);
    if (end < 0 || end - start > MAX_LINE_BYTES) throw new ProtocolError('too big inline request');
    this.end = end + 1;
    const line = input[end - 1] === CR && end > start ? end - 1 : end;
    for (const word of wordsOf(input.toString('latin1', start, line))) {
      const bytes = Buffer.from(word, 'latin1');
      this.#add(bytes, 0, bytes.length);
    }
    return true;
  }
}

/** The words of a line; in "…" with escapes, in '…' as they are. A string holds bytes. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; ;) {
    while (at < line.length && line.charCodeAt(at) <= SPACE) at++;
    if (at >= line.length) return words;
    let word = '';
    while (at < line.length && line.charCodeAt(at) > SPACE) {
      const code = line.charCodeAt(at);
      if (code !== QUOTE && code !== APOSTROPHE) {
        word += line[at++];
        continue;
      }
      const quoted = readQuoted(line, at);
      word += quoted.text;
      at = quoted.end;
      if (at < line.length && line.charCodeAt(at) > SPACE) throw unbalanced();
    }
    words.push(word);
  }
}

function readQuoted(line: string, start: number): { readonly text: string; readonly end: number } {
  const quote = line.charCodeAt(start);
  let text = '';
  for (let at = start + 1; at < line.length; at++) {
    if (line.charCodeAt(at) === quote) return { text, end: at + 1 };
    if (line.charCodeAt(at) !== BACKSLASH) {
      text += line[at];
      continue;
    }
    const next = line[at + 1] ?? '';
    if (quote === APOSTROPHE) {
      // Only the quote itself can be escaped there.
      text += next === "'" ? "'" : '\\';
      at += next === "'" ? 1 : 0;
      continue;
    }
    const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4))?.[1];
    text += hex === undefined ? (ESCAPES[next] ?? next) : String.fromCharCode(Number.parseInt(hex, 16));
    at += hex === undefined ? 1 : 3;
  }
  throw unbalanced();
}

const unbalanced = (): ProtocolError => new ProtocolError('unbalanced quotes in request');

const shown = (byte: number | undefined): string => String.fromCharCode(byte ?? 0);
