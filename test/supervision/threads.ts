/** What the kernel knows of the threads of a process. */
import { readdirSync, readFileSync } from 'node:fs';

export type Activity = {
  readonly tid: number;
  /** Whether it sleeps; else it runs, or would if it had a CPU. */
  readonly sleeps: boolean;
  /** Whether a signal has stopped it. */
  readonly stopped: boolean;
  readonly switches: number;
  readonly ticks: number;
};

/** Context switches and clock ticks of each thread so far. */
export function activityOf(pid: number): Activity[] {
  return readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .flatMap((tid) => {
      try {
        const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
        const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8');
        const switches = [...status.matchAll(/ctxt_switches:\s+(\d+)/g)];
        // Behind the name in parentheses: state is field 3, utime and stime are 14 and 15.
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return [
          {
            tid,
            sleeps: fields[0] === 'S',
            stopped: fields[0] === 'T',
            switches: switches.reduce((sum, match) => sum + Number(match[1]), 0),
            ticks: Number(fields[11]) + Number(fields[12]),
          },
        ];
      } catch {
        // It has ended.
        return [];
      }
    });
}

/** Threads that have run between two looks. */
export function ranBetween(before: readonly Activity[], after: readonly Activity[]): number[] {
  const known = new Map(before.map((activity) => [activity.tid, activity]));
  return after
    .filter(({ tid, switches, ticks }) => {
      const old = known.get(tid);
      return old === undefined || old.switches !== switches || old.ticks !== ticks;
    })
    .map(({ tid }) => tid);
}
