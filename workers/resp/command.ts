/** What a command is, and what it works with. */
import type { Connection } from '../../src/worker.ts';
import type { Clients } from './clients.ts';
import { parseDecimal } from './decimal.ts';
import { MAX_BYTES } from './layout.ts';
import type { Reply } from './reply.ts';
import type { Slice } from './slice.ts';
import type { NoRoom, Store } from './store.ts';

/** One command of one client. Each worker has one of these and fills it anew. */
export type Call = {
  /** The name of the command first; `count` of them count. */
  readonly args: readonly Slice[];
  count: number;
  connection: Connection;
  readonly reply: Reply;
  readonly store: Store;
  readonly clients: Clients;
  /** Whether commands may do harm on purpose: `--unsafe-commands`. */
  readonly unsafe: boolean;
  /** The client is to be closed when its replies have been sent. */
  quits: boolean;
};

export type Command = {
  readonly name: string;
  /** Arguments with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly ('readonly' | 'write' | 'fast' | 'admin' | 'denyoom')[];
  /** Which arguments are keys: first, last (negative: from the end), step; 0, 0, 0 for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly run: (call: Call) => void;
};

/** An argument as text: a character for each byte. */
export function textOf(call: Call, index: number): string {
  const slice = call.args[index];
  if (slice === undefined || index >= call.count) return '';
  return Buffer.from(
    slice.bytes.buffer,
    slice.bytes.byteOffset + slice.start,
    slice.end - slice.start,
  ).toString('latin1');
}

/** What errors show of what a client has sent. */
export const MOST_SHOWN_BYTES = 128;

/** An argument as errors show it: the beginning, and as far as C would print it. */
export function shownOf(call: Call, index: number, most: number = MOST_SHOWN_BYTES): string {
  const text = textOf(call, index).slice(0, most);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** A word that an argument is compared with: in lower case. */
export const wordOf = (call: Call, index: number): string => textOf(call, index).toLowerCase();

/** A number of 64 bits that an argument says; undefined, and told to the client, if it says none. */
export function integerOf(call: Call, index: number): number | bigint | undefined {
  const { bytes, start, end } = sliceAt(call, index);
  const value = parseDecimal(bytes.subarray(start, end), end - start);
  if (value === undefined) call.reply.error('ERR value is not an integer or out of range');
  return value;
}

/** An argument that is there: the arity says so. */
export function sliceAt({ args }: Call, index: number): Slice {
  return args[index] as Slice;
}

export function replyNoRoom(reply: Reply, why: NoRoom): void {
  reply.error(
    why === 'too-large'
      ? `ERR string exceeds maximum allowed size (${MAX_BYTES} bytes)`
      : "OOM command not allowed when used memory > 'maxmemory'.",
  );
}

export function replyUnknownSubcommand(call: Call): void {
  const command = textOf(call, 0).toUpperCase();
  call.reply.error(`ERR unknown subcommand '${shownOf(call, 1)}'. Try ${command} HELP.`);
}

export function replyWrongCount(reply: Reply, command: string): void {
  reply.error(`ERR wrong number of arguments for '${command}' command`);
}
