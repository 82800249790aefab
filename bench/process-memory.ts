import { readFileSync } from 'node:fs';

/** Bytes that processes hold. */
export interface Memory {
  readonly rss: number;
  /** Written and theirs alone: what a connection can be charged with. */
  readonly privateDirty: number;
}

/** Sums Rss and Private_Dirty of /proc/<pid>/smaps_rollup. */
export function readMemory(pids: readonly number[]): Memory {
  const texts = pids.map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
  const sum = (field: string): number => texts.reduce((total, text) => total + fieldBytes(text, field), 0);
  return { rss: sum('Rss'), privateDirty: sum('Private_Dirty') };
}

function fieldBytes(text: string, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
  if (kilobytes === undefined) throw new Error(`no ${field} in smaps_rollup`);
  return Number(kilobytes) * 1024;
}
