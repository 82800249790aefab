/**
 * What is done after a thread has died: the locks that it held are taken over, stripe by stripe, and what it has left half done
 * in them is dropped. So the store goes on at once. What it may have lost are blocks, taken and not linked or unlinked
 * and not given back. A sweep finds them: it needs all stripes, and another thread that has died may hold
 * one, so it does not wait for them but is tried again, by the timer of each thread (Store.maintain).
 */
import { STRIPES } from './layout.ts';
import type { Table } from './table.ts';

/** How often a stripe is asked for before the sweep is put off: a millisecond or so. */
const TRIES = 20_000;

/** Takes over what `dead` held, for `owner`. How many stripes that were. */
export function takeOver(table: Table, dead: number, owner: number): number {
  let held = 0;
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    if (!table.mutexOf(stripe).recover(dead, owner)) continue;
    held++;
    // First: whoever dies in the middle of this leaves the rest to the next one.
    table.askForSweep();
    table.recount(stripe);
    // Drops what was under way.
    table.unlock(stripe);
  }
  // After the stripes: who waits for this lock holds one of them, and never the other way round.
  table.blocks.recover(dead);
  return held;
}

/** Finds the blocks that nobody has. False if that must wait, since a stripe is locked. */
export function sweep(table: Table, owner: number): boolean {
  if (!tryLockAll(table, owner)) return false;
  const used = new Uint8Array(table.blocks.count + 1);
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    for (let bucket = 0; bucket < table.buckets; bucket++) {
      let entry = table.entryAt(table.linkOf(stripe, bucket));
      for (; entry !== 0; entry = table.entryAt(table.linkAfter(entry)))
        for (let block = entry; block !== 0; block = table.blocks.nextOf(block)) used[block] = 1;
    }
  }
  table.blocks.reset(used);
  unlockFirst(table, STRIPES);
  return true;
}

/** Removes everything, at one moment for all. */
export function clearAll(table: Table): void {
  for (let stripe = 0; stripe < STRIPES; stripe++) table.lock(stripe);
  // If this thread dies before reset(), the blocks are nobody's.
  table.askForSweep();
  for (let stripe = 0; stripe < STRIPES; stripe++) table.clear(stripe);
  table.blocks.reset(undefined);
  unlockFirst(table, STRIPES);
}

function tryLockAll(table: Table, owner: number): boolean {
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    const mutex = table.mutexOf(stripe);
    let tries = 0;
    while (!mutex.tryLock(owner)) {
      if (++tries < TRIES) continue;
      unlockFirst(table, stripe);
      return false;
    }
  }
  return true;
}

function unlockFirst(table: Table, count: number): void {
  for (let stripe = 0; stripe < count; stripe++) table.unlock(stripe);
}
