/** Commands on keys. */
import {
  type Call,
  type Command,
  integerOf,
  replyNoRoom,
  replyWrongCount,
  sliceAt,
  wordOf,
} from './command.ts';
import type { Condition } from './store.ts';
import { startUpkeep } from './upkeep.ts';

/** Milliseconds since 1970 that a double holds exactly; no time of a key is later. */
const LAST_MS = Number.MAX_SAFE_INTEGER;
const MS_PER_SECOND = 1000;

export const dataCommands: readonly Command[] = [
  { name: 'get', arity: 2, flags: ['readonly', 'fast'], keys: [1, 1, 1], run: get },
  { name: 'set', arity: -3, flags: ['write', 'denyoom'], keys: [1, 1, 1], run: set },
  { name: 'del', arity: -2, flags: ['write'], keys: [1, -1, 1], run: del },
  { name: 'exists', arity: -2, flags: ['readonly', 'fast'], keys: [1, -1, 1], run: exists },
  {
    name: 'incr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: [1, 1, 1],
    run: (call) => add(call, 1),
  },
  {
    name: 'decr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: [1, 1, 1],
    run: (call) => add(call, -1),
  },
  { name: 'incrby', arity: 3, flags: ['write', 'denyoom', 'fast'], keys: [1, 1, 1], run: incrBy },
  { name: 'append', arity: 3, flags: ['write', 'denyoom', 'fast'], keys: [1, 1, 1], run: append },
  { name: 'mget', arity: -2, flags: ['readonly', 'fast'], keys: [1, -1, 1], run: mget },
  { name: 'mset', arity: -3, flags: ['write', 'denyoom'], keys: [1, -1, 2], run: mset },
  { name: 'expire', arity: 3, flags: ['write', 'fast'], keys: [1, 1, 1], run: expire },
  { name: 'ttl', arity: 2, flags: ['readonly', 'fast'], keys: [1, 1, 1], run: ttl },
  { name: 'dbsize', arity: 1, flags: ['readonly', 'fast'], keys: [0, 0, 0], run: dbSize },
  { name: 'flushall', arity: -1, flags: ['write'], keys: [0, 0, 0], run: flushAll },
];

function get(call: Call): void {
  if (!call.store.get(sliceAt(call, 1), call.reply)) call.reply.nil();
}

function set(call: Call): void {
  let unit: string | undefined;
  let amountAt = 0;
  let when: Condition = 'always';
  for (let at = 3; at < call.count; at++) {
    const word = wordOf(call, at);
    const condition = word === 'nx' ? 'absent' : word === 'xx' ? 'present' : undefined;
    if (condition !== undefined && (when === 'always' || when === condition)) {
      when = condition;
    } else if (
      (word === 'ex' || word === 'px') &&
      (unit === undefined || unit === word) &&
      at + 1 < call.count
    ) {
      unit = word;
      amountAt = ++at;
    } else {
      call.reply.error('ERR syntax error');
      return;
    }
  }
  let expiresAtMs = 0;
  if (unit !== undefined) {
    const moment = momentAfter(call, amountAt, unit === 'ex' ? MS_PER_SECOND : 1);
    if (moment === undefined) return;
    if (moment <= Date.now()) {
      call.reply.error("ERR invalid expire time in 'set' command");
      return;
    }
    expiresAtMs = moment;
  }
  const result = call.store.set(sliceAt(call, 1), sliceAt(call, 2), expiresAtMs, when);
  if (result === 'stored' && expiresAtMs !== 0) startUpkeep(call.clients);
  if (result === 'stored') call.reply.ok();
  else if (result === 'kept') call.reply.nil();
  else replyNoRoom(call.reply, result);
}

function del(call: Call): void {
  let removed = 0;
  for (let at = 1; at < call.count; at++) if (call.store.del(sliceAt(call, at))) removed++;
  call.reply.integer(removed);
}

function exists(call: Call): void {
  let found = 0;
  for (let at = 1; at < call.count; at++) if (call.store.exists(sliceAt(call, at))) found++;
  call.reply.integer(found);
}

function incrBy(call: Call): void {
  const delta = integerOf(call, 2);
  if (delta !== undefined) add(call, delta);
}

function add(call: Call, delta: number | bigint): void {
  const sum = call.store.incrBy(sliceAt(call, 1), delta);
  if (typeof sum !== 'string') call.reply.integer(sum);
  else if (sum === 'not-an-integer') call.reply.error('ERR value is not an integer or out of range');
  else if (sum === 'overflow') call.reply.error('ERR increment or decrement would overflow');
  else replyNoRoom(call.reply, sum);
}

function append(call: Call): void {
  const length = call.store.append(sliceAt(call, 1), sliceAt(call, 2));
  if (typeof length === 'number') call.reply.integer(length);
  else replyNoRoom(call.reply, length);
}

function mget(call: Call): void {
  call.reply.array(call.count - 1);
  call.store.mget(call.args, 1, call.count, call.reply);
}

function mset(call: Call): void {
  if (call.count % 2 === 0) {
    replyWrongCount(call.reply, 'mset');
    return;
  }
  const result = call.store.mset(call.args, 1, call.count);
  if (result === 'stored') call.reply.ok();
  else replyNoRoom(call.reply, result);
}

function expire(call: Call): void {
  const moment = momentAfter(call, 2, MS_PER_SECOND);
  if (moment === undefined) return;
  const found = call.store.expire(sliceAt(call, 1), Math.max(1, moment));
  if (found) startUpkeep(call.clients);
  call.reply.integer(found ? 1 : 0);
}

function ttl(call: Call): void {
  const left = call.store.ttl(sliceAt(call, 1));
  if (typeof left === 'number') call.reply.integer(Math.round(left / MS_PER_SECOND));
  else call.reply.integer(left === 'missing' ? -2 : -1);
}

function dbSize(call: Call): void {
  call.reply.integer(call.store.size);
}

function flushAll(call: Call): void {
  const word = wordOf(call, 1);
  if (call.count > 2 || (call.count === 2 && word !== 'sync' && word !== 'async')) {
    call.reply.error('ERR syntax error');
    return;
  }
  call.store.flush();
  call.reply.ok();
}

/** When the time is over that an argument says in units of so many milliseconds; undefined, and told, if it says none. */
function momentAfter(call: Call, index: number, unitMs: number): number | undefined {
  const amount = integerOf(call, index);
  if (amount === undefined) return undefined;
  const moment = Date.now() + Number(amount) * unitMs;
  if (Math.abs(moment) <= LAST_MS) return moment;
  call.reply.error(`ERR invalid expire time in '${wordOf(call, 0)}' command`);
  return undefined;
}
