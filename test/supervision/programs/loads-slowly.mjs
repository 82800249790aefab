// A thread's code that takes its time. Written at once: what a thread writes with console.log goes through the main thread.
import { writeSync } from 'node:fs';

const LOADING_MS = 500;

writeSync(1, 'loading\n');
for (const from = performance.now(); performance.now() - from < LOADING_MS;);

export default function loaded({ loading }) {
  writeSync(1, 'loaded\n');
  Atomics.store(loading, 0, 2);
  Atomics.notify(loading, 0);
}
