/** Worker entry: makes a thread of the pool a worker. */
import { isMainThread } from 'node:worker_threads';
import type { ReactorTask } from '../src/reactor/protocol.ts';
import { runReactor } from '../src/sources/runtime.ts';

export default async function reactor(task: ReactorTask): Promise<void> {
  if (isMainThread) throw new Error('workers/reactor runs in worker threads only');
  await runReactor(task);
}
