/** All commands by their names. */
import { clientCommands } from './client-commands.ts';
import { type Call, type Command, MOST_SHOWN_BYTES, replyWrongCount, shownOf } from './command.ts';
import { dataCommands } from './data-commands.ts';
import { serverCommands } from './server-commands.ts';
import type { Slice } from './slice.ts';

/** Letters differ in this bit only; what else it changes, names of commands have not. */
const LOWER_CASE = 0x20;

const all: readonly Command[] = [
  ...dataCommands,
  ...clientCommands((number) => all[number]?.name ?? 'NULL'),
  ...serverCommands(() => all),
];
const byHash: ReadonlyMap<number, number> = new Map(
  all.map(({ name }, number) => [hashOf(Buffer.from(name), 0, name.length), number]),
);
const names: readonly Buffer[] = all.map(({ name }) => Buffer.from(name));

/** Runs a command of at least one word. */
export function runCommand(call: Call): void {
  const name = call.args[0] as Slice;
  const number = byHash.get(hashOf(name.bytes, name.start, name.end)) ?? -1;
  const command = all[number];
  if (command === undefined || !isName(name, names[number] as Buffer)) {
    replyUnknown(call);
    return;
  }
  call.clients.runs(call.connection.fd, number);
  const { arity } = command;
  if (arity < 0 ? call.count < -arity : call.count !== arity) replyWrongCount(call.reply, command.name);
  else command.run(call);
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = Math.imul(hash, 31) + ((bytes[at] ?? 0) | LOWER_CASE);
  return hash | 0;
}

function isName({ bytes, start, end }: Slice, name: Buffer): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (((bytes[start + i] ?? 0) | LOWER_CASE) !== name[i]) return false;
  return true;
}

function replyUnknown(call: Call): void {
  let shown = '';
  for (let at = 1; at < call.count && shown.length < MOST_SHOWN_BYTES; at++)
    shown += `'${shownOf(call, at, MOST_SHOWN_BYTES - shown.length)}' `;
  call.reply.error(`ERR unknown command '${shownOf(call, 0)}', with args beginning with: ${shown}`);
}
