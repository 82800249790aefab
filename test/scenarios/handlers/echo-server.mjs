// A process that serves echoes until its stdin ends; says its port first, and the pool's counters at the end.
import { createPool } from 'wakeone';

// With a handler, these signals interrupt system calls; without one the kernel drops them.
process.on('SIGWINCH', () => {});
process.on('SIGURG', () => {});

const pool = await createPool({
  handlers: new URL('echo.mjs', import.meta.url),
  minThreads: 2,
  maxFds: 1024,
  bufferMemory: 2 ** 22,
  safetyTimeoutMs: 1000,
});
const server = await pool.listen({ host: '127.0.0.1', port: 0, handler: 'echo' });
process.stdout.write(`${JSON.stringify(server.address())}\n`);
process.stdin.resume();
process.stdin.on('end', async () => {
  await pool.close();
  process.stdout.write(`${JSON.stringify(pool.stats())}\n`);
});
