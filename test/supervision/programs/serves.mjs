// Serves an echo and does nothing else. SIGUSR2 closes the server, and leaves its connections.
import { createPool } from 'wakeone';

const pool = await createPool({
  handlers: new URL('../handlers/busy.mjs', import.meta.url),
  minThreads: 2,
  workerData: { running: new SharedArrayBuffer(4) },
});
const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'echo' });
process.on('SIGUSR2', async () => {
  await server.close();
  console.log('server closed');
});
console.log(`port ${server.address().port}`);
