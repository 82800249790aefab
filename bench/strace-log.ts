import { readFileSync } from 'node:fs';

/** System calls of a server in a span of time. */
export interface CallCount {
  readonly byName: ReadonlyMap<string, number>;
  /** Calls that wait on an epoll set, how many of them brought events, and how many events. */
  readonly waits: number;
  readonly batches: number;
  readonly events: number;
}

const isWait = /^epoll_p?wait2?$/;
const callLine = /^(?:\d+\s+)?(\d+\.\d+) (\w+)\((.*)$/;
const resumedLine = /^(?:\d+\s+)?\d+\.\d+ <\.\.\. (\w+) resumed>(.*)$/;
const resultAtEnd = /\)\s+= (-?\d+)(?: .*)?$/;

/**
 * Counts the calls in a log of `strace -f -ttt -o` that began in the span, wall clock in seconds. A call that another
 * thread's line interrupts has two lines, `name(… <unfinished ...>` and `<... name resumed>…`: the first one counts, the
 * second one has the result.
 */
export function countCalls(path: string, from: number, to: number): CallCount {
  const byName = new Map<string, number>();
  let waits = 0;
  let batches = 0;
  let events = 0;
  const unfinished = new Set<string>(); // threads whose wait began in the span
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const thread = line.slice(0, line.indexOf(' '));
    const [, time, name, rest] = callLine.exec(line) ?? [];
    let resultOf: string | undefined;
    if (time !== undefined && name !== undefined && rest !== undefined) {
      if (Number(time) < from || Number(time) > to) continue;
      byName.set(name, (byName.get(name) ?? 0) + 1);
      if (!isWait.test(name)) continue;
      waits += 1;
      if (rest.endsWith('<unfinished ...>')) unfinished.add(thread);
      else resultOf = rest;
    } else {
      const [, resumed, ending] = resumedLine.exec(line) ?? [];
      if (resumed !== undefined && isWait.test(resumed) && unfinished.delete(thread)) resultOf = ending;
    }
    const result = Number(resultAtEnd.exec(resultOf ?? '')?.[1] ?? 0);
    if (result > 0) {
      batches += 1;
      events += result;
    }
  }
  return { byName, waits, batches, events };
}
