/** Worker entry: makes a thread of the pool its monitor. */
import { isMainThread } from 'node:worker_threads';
import type { MonitorTask } from '../src/reactor/protocol.ts';
import { runMonitor } from '../src/sources/runtime.ts';

export default function monitor(task: MonitorTask): void {
  if (isMainThread) throw new Error('workers/monitor runs in worker threads only');
  runMonitor(task);
}
