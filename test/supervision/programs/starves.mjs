// Serves with few descriptors; says when accepting pauses. Run it with a low `ulimit -n`.
import { createPool } from 'wakeone';

const pool = await createPool({
  handlers: new URL('../handlers/quiet.mjs', import.meta.url),
  minThreads: Number(process.argv[2]),
});
const ports = {};
for (const handler of ['echo', 'timers', 'sleeps']) {
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler, backlog: 200 });
  ports[handler] = server.address().port;
}
// The first line of a process that writes to a pipe costs descriptors: before they are short.
console.log(JSON.stringify({ ports }));
pool.on('acceptPaused', ({ code, syscall, fd }) =>
  console.log(JSON.stringify({ paused: { code, syscall, fd } })),
);
process.stdin.on('data', () => console.log(JSON.stringify({ stats: pool.stats() })));
