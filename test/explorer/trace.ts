/** A schedule as text: one line a step, a blank line at each switch. */
import { type Operation, show } from './operations.ts';
import type { Program } from './program.ts';

export type TraceStep =
  | { readonly thread: number; readonly operation: Operation; readonly result: number | undefined }
  | { readonly thread: number; readonly event: string };

export function traceOf(path: readonly TraceStep[], program: Program): string {
  const names = program.threads.map((thread) => thread.name);
  const width = Math.max(...names.map((name) => name.length));
  const nameOf = program.nameOf ?? ((at: number) => `[${at}]`);
  const lines: string[] = [];
  let last = -1;
  for (const step of path) {
    const name = (names[step.thread] ?? '?').padEnd(width);
    if ('event' in step) lines.push(`* ${name} ${step.event}`);
    else {
      if (last !== -1 && last !== step.thread) lines.push('');
      lines.push(`  ${name} ${show(step.operation, step.result, nameOf(step.operation.at))}`);
      last = step.thread;
    }
  }
  return lines.join('\n');
}
