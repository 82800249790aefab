/**
 * From a slot that has entered QUEUED to the hint that stands for it, its own or that of its group; and to where that goes: the
 * queue of all, or the mailbox of the worker in which it lives.
 */
import type { PoolMemory } from '../slots/memory.ts';
import { isWorker } from '../slots/record.ts';
import type { Dispatcher } from './dispatcher.ts';

/**
 * Pushes what stands for the slot, if that is owed. Any thread. True if it has pushed into the queue of all: then it owes the
 * wake rule.
 */
export function enqueue(dispatcher: Dispatcher<PoolMemory>, index: number): boolean {
  const slot = dispatcher.memory.groups.toPush(index);
  if (slot === undefined) return false;
  return enqueueHint(dispatcher, slot);
}

/** The same for the slot that stands for itself, or for its group. */
export function enqueueHint(dispatcher: Dispatcher<PoolMemory>, slot: number): boolean {
  // A plain read: the transition that has queued the slot is ordered before it, and the home is older.
  const home = dispatcher.memory.homes.of(slot);
  if (!isWorker(home)) {
    dispatcher.push(slot + 1);
    return true;
  }
  dispatcher.mail.send(home, slot + 1);
  return false;
}
