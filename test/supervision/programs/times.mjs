// Timers and timeouts on demand, in a process that is stopped, or whose monitor is terminated.
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import workerThreads from 'node:worker_threads';

/** All threads that were ever made. The monitor is the last one. */
const made = [];
workerThreads.Worker = class extends workerThreads.Worker {
  constructor(...given) {
    super(...given);
    made.push(this);
  }
};
const { createPool } = await import('wakeone');

const tasks = () => readdirSync('/proc/self/task').map(Number);
const before = new Set(tasks());
const pool = await createPool({
  handlers: new URL('../handlers/times.mjs', import.meta.url),
  minThreads: Number(process.argv[2]),
});
const say = (fields) => console.log(JSON.stringify(fields));

const commands = {
  beat: (everyMs) => void pool.timer({ handler: 'beat', everyMs }),
  once: (afterMs) => void pool.timer({ handler: 'once', afterMs, cookie: afterMs }),
  async serve(idleTimeoutMs) {
    const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'echo', idleTimeoutMs });
    say({ on: 'port', port: server.address().port });
  },
  async kill() {
    await made.at(-1).terminate();
    say({ on: 'killed' });
  },
  threads: () => say({ on: 'threads', made: made.length, tids: tasks().filter((tid) => !before.has(tid)) }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, number] = line.split(' ');
  commands[command](Number(number));
});
say({ on: 'ready' });
