// One thread loads its code for half a second, a second task waits for a thread; what is written to stdin ends the process.
import { writeSync } from 'node:fs';
import { stopAtExit } from '../../../dist/src/supervision/exit-hook.js';
import { Threads } from '../../../dist/src/supervision/threads.js';

const threads = new Threads(1);
stopAtExit({ stopThreads: () => {}, endLoading: (timeoutMs) => threads.endLoading(timeoutMs) });
const task = { filename: new URL('loads-slowly.mjs', import.meta.url).href, data: {}, transfer: [] };
void threads.run(task);
void threads.run(task);
process.on('exit', () => writeSync(1, 'exit\n'));
process.stdin.once('data', () => process.exit(7));
