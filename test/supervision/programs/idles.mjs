// Serves, and says which of its threads are the pool's.
import { readdirSync } from 'node:fs';
import { createPool } from 'wakeone';

const tasks = () => readdirSync('/proc/self/task').map(Number);
const before = new Set(tasks());
const pool = await createPool({
  handlers: new URL('../handlers/quiet.mjs', import.meta.url),
  minThreads: Number(process.argv[2]),
});
const ports = {};
for (const handler of ['echo', 'awaits', 'starts', 'pends', 'sleeps']) {
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler });
  ports[handler] = server.address().port;
}
console.log(JSON.stringify({ ports, threads: tasks().filter((tid) => !before.has(tid)) }));
process.stdin.on('data', () => console.log(JSON.stringify(pool.stats())));
