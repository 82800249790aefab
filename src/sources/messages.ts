/**
 * Messages in an unread input: lines, parts up to a delimiter, counted parts, frames. Each function takes one whole message
 * and gives a view of it, without its framing; or takes nothing and gives undefined while it is incomplete.
 */
import { makeError, show } from '../errors.ts';
import { checkNames, flag } from '../options.ts';
import { Config } from '../slots/layout.ts';
import { checkInteger } from './arguments.ts';
import type { ConnectionTurn } from './connection-turn.ts';

const NEWLINE = 10;
const RETURN = 13;
const LENGTH_BYTES: readonly number[] = [1, 2, 4];
const DEFAULT_LENGTH_BYTES = 4;

export type FrameOptions = {
  /** Bytes of the length in front of each frame: 1, 2 or 4 (default). */
  readonly lengthBytes?: 1 | 2 | 4;
  /** Default false: network byte order. */
  readonly littleEndian?: boolean;
  /** Whether the length counts its own bytes too. Default false. */
  readonly countsItself?: boolean;
  /** The longest frame that is taken, without its length. Default: what the input may hold. */
  readonly maxBytes?: number;
};

const FRAME_NAMES: Readonly<Record<keyof FrameOptions, true>> = {
  lengthBytes: true,
  littleEndian: true,
  countsItself: true,
  maxBytes: true,
};

/** A line up to LF or CR LF. */
export function takeLine(turn: ConnectionTurn, maxBytes: number | undefined): Buffer | undefined {
  const most = longest(turn, maxBytes, 2);
  const { input } = turn;
  const at = input.indexOf(NEWLINE);
  if (at < 0) {
    // A CR at the end may belong to the line's end.
    if (input.length > most + 1) throw tooLong('A line', most);
    return undefined;
  }
  const end = at > 0 && input[at - 1] === RETURN ? at - 1 : at;
  if (end > most) throw tooLong('A line', most);
  turn.consume(at + 1);
  return input.subarray(0, end);
}

/** What comes before a delimiter. */
export function takeUntil(
  turn: ConnectionTurn,
  delimiter: Uint8Array | string | number,
  maxBytes: number | undefined,
): Buffer | undefined {
  const length = lengthOfDelimiter(delimiter);
  const most = longest(turn, maxBytes, length);
  const { input } = turn;
  const at = input.indexOf(delimiter);
  if (at > most || (at < 0 && input.length >= most + length)) throw tooLong('A message', most);
  if (at < 0) return undefined;
  turn.consume(at + length);
  return input.subarray(0, at);
}

/** So many bytes. */
export function takeExactly(turn: ConnectionTurn, bytes: number): Buffer | undefined {
  checkInteger('bytes', bytes, turn.context.memory.config(Config.MAX_INPUT));
  if (turn.inputLength < bytes) return undefined;
  const { input } = turn;
  turn.consume(bytes);
  return input.subarray(0, bytes);
}

/** A frame whose length comes first. */
export function takeFrame(turn: ConnectionTurn, options: FrameOptions): Buffer | undefined {
  // A misspelt one would have frames cut in the wrong places.
  checkNames(options, FRAME_NAMES);
  const { lengthBytes = DEFAULT_LENGTH_BYTES, maxBytes } = options;
  const littleEndian = flag('littleEndian', options.littleEndian, false);
  const countsItself = flag('countsItself', options.countsItself, false);
  if (!LENGTH_BYTES.includes(lengthBytes))
    throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'lengthBytes', '1, 2 or 4', show(lengthBytes));
  const most = longest(turn, maxBytes, lengthBytes);
  if (turn.inputLength < lengthBytes) return undefined;
  const { input } = turn;
  const stated = littleEndian ? input.readUIntLE(0, lengthBytes) : input.readUIntBE(0, lengthBytes);
  const length = countsItself ? stated - lengthBytes : stated;
  if (length < 0) throw makeError('ERR_WAKEONE_BAD_FRAME', `${stated}`, `${lengthBytes}`);
  if (length > most) throw tooLong('A frame', most);
  if (input.length < lengthBytes + length) return undefined;
  turn.consume(lengthBytes + length);
  return input.subarray(lengthBytes, lengthBytes + length);
}

/** The longest message that is taken: one that the input cannot hold together with its framing would never be complete. */
function longest(turn: ConnectionTurn, maxBytes: number | undefined, framing: number): number {
  const holds = Math.max(0, turn.context.memory.config(Config.MAX_INPUT) - framing);
  return maxBytes === undefined ? holds : Math.min(holds, checkInteger('maxBytes', maxBytes, 2 ** 30));
}

function lengthOfDelimiter(delimiter: Uint8Array | string | number): number {
  const isByte = Number.isInteger(delimiter) && Number(delimiter) >= 0 && Number(delimiter) <= 255;
  if (isByte) return 1;
  const length =
    typeof delimiter === 'string'
      ? Buffer.byteLength(delimiter)
      : delimiter instanceof Uint8Array
        ? delimiter.length
        : 0;
  if (length > 0) return length;
  const expected = 'a byte, or a string or a Uint8Array that is not empty';
  throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'delimiter', expected, show(delimiter));
}

const tooLong = (what: string, most: number): Error =>
  makeError('ERR_WAKEONE_MESSAGE_TOO_LONG', what, `${most}`);
