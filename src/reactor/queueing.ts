/** From a slot that has entered QUEUED to the hint that stands for it: its own, or that of its group. */
import type { PoolDispatcher } from './dispatcher.ts';

/** Pushes what stands for the slot, if that is owed. Any thread; it owes the wake rule afterwards. True if it has pushed. */
export function enqueue(dispatcher: PoolDispatcher, index: number): boolean {
  const slot = dispatcher.memory.groups.toPush(index);
  if (slot === undefined) return false;
  dispatcher.push(slot + 1);
  return true;
}
