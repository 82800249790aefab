/**
 * Which threads of the process have ended, for those who wait for what such a thread held: a table in shared memory, one
 * bit for each of Node's thread ids, which are never used again. So an owner that is named by its thread is dead for ever
 * once its bit is set, by one OR, and nothing is ever cleared.
 *
 *     word 0        owner id of the thread that made the table: its name
 *     words 1 …     bit t is set when thread t has ended: by who has seen the `exit` event of its Worker, not before
 *
 * A thread makes a table with its first pool, and hears of others when it becomes a part of a pool. It may know several
 * tables: a thread that is dead in one of them is dead. Threads with higher ids than the table has bits count as alive.
 */
import { threadId } from 'node:worker_threads';

/** A thread a millisecond for four hours. Two megabytes, of which those are there that were touched. */
const MOST_THREADS = 1 << 24;
const BITS = 1;

const tables: Int32Array<SharedArrayBuffer>[] = [];

/** By what id a thread owns what is not a pool's: one that fits 30 bits, and is not 0. */
export const ownerOfThread = (thread: number): number => thread + 1;

/** The table that this thread gives to others. */
export function deathsMemory(): SharedArrayBuffer {
  const [known] = tables;
  if (known !== undefined) return known.buffer;
  const words = new Int32Array(new SharedArrayBuffer(4 * (BITS + MOST_THREADS / 32)));
  words[0] = ownerOfThread(threadId);
  tables.push(words);
  return words.buffer;
}

/** This thread is part of a pool that has this table. */
export function hearOfDeaths(memory: SharedArrayBuffer): void {
  const words = new Int32Array(memory);
  // Each thread makes one table at most; the same one may come with several pools.
  if (!tables.some((known) => known[0] === words[0])) tables.push(words);
}

/** Says that a thread has ended, where this thread can say it. */
export function noteDeath(thread: number): void {
  deathsMemory();
  if (thread < 0 || thread >= MOST_THREADS) return;
  for (const words of tables) Atomics.or(words, BITS + (thread >>> 5), 1 << (thread & 31));
}

/** Whether the thread with this owner id is known to have ended. */
export function isDead(owner: number): boolean {
  const thread = owner - 1;
  if (thread < 0 || thread >= MOST_THREADS) return false;
  for (const words of tables)
    if ((Atomics.load(words, BITS + (thread >>> 5)) & (1 << (thread & 31))) !== 0) return true;
  return false;
}
