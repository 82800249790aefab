/** The option `affinity`: whether handlers run in whatever worker is free, or always in the same one. */
import { makeError } from '../errors.ts';
import { choice, invalid } from '../options.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { NO_HOME } from '../slots/record.ts';

export type Affinity = 'any' | 'sticky';

/** Whether it lives in one worker. What joins a group lives where that does. @throws ERR_WAKEONE_INVALID_OPTION */
export function isSticky({ affinity, group }: { affinity?: Affinity; group?: unknown }): boolean {
  const sticky = choice('affinity', affinity, ['any', 'sticky'], 'any') === 'sticky';
  if (sticky && group !== undefined) throw invalid('affinity', "'any' when a group is given", affinity);
  return sticky;
}

/** A group decides where its members run. @throws ERR_WAKEONE_AFFINITY */
export function checkNotSticky(memory: PoolMemory, index: number): void {
  if (memory.homes.of(index) === NO_HOME) return;
  throw makeError('ERR_WAKEONE_AFFINITY', 'Nothing can join a group', 'give the affinity to the group');
}
