import { readFileSync } from 'node:fs';

/** CPU time of processes in clock ticks, all their threads, those that ended too. */
export interface CpuTicks {
  readonly user: number;
  readonly system: number;
}

/** Sums utime and stime of /proc/<pid>/stat. */
export function readCpuTicks(pids: readonly number[]): CpuTicks {
  let user = 0;
  let system = 0;
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in brackets and may hold blanks and brackets; utime and stime are fields 14, 15.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    user += Number(fields[11]);
    system += Number(fields[12]);
  }
  return { user, system };
}

export function ticksBetween(before: CpuTicks, after: CpuTicks): CpuTicks {
  return { user: after.user - before.user, system: after.system - before.system };
}
