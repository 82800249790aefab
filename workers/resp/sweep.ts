/**
 * What needs all stripes: to find the blocks that are nobody's since a thread has died, which had taken them and not linked, or
 * unlinked and not given back; and to remove everything.
 */
import { STRIPES } from './layout.ts';
import type { Table } from './table.ts';

/** How often a stripe is asked for before the sweep is put off. */
const TRIES = 1000;

/**
 * Finds the blocks that nobody has, if it was asked for. False if there was nothing to do, or it must wait, since a stripe is
 * locked: perhaps by another thread that has died, of which nobody knows yet. By a thread that holds no stripe.
 */
export function sweep(table: Table): boolean {
  if (!table.sweepDue || !tryLockAll(table)) return false;
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

function tryLockAll(table: Table): boolean {
  for (let stripe = 0; stripe < STRIPES; stripe++) {
    let tries = 0;
    while (!table.tryLock(stripe)) {
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
