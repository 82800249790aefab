/**
 * Baseline `node:cluster`: one primary that accepts and hands each connection to one of N worker processes in turn,
 * which is cluster's default.
 */
import cluster, { type Address } from 'node:cluster';
import { parseArgs } from 'node:util';

import { createEchoServer } from './echo-listener.ts';
import { printReady } from './ready-line.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    processes: { type: 'string', default: '2' },
    'work-steps': { type: 'string', default: '0' },
  },
});

if (cluster.isPrimary) {
  const count = Number(values.processes);
  const pids = [process.pid];
  let listening = 0;
  let stopping = false;
  cluster.on('listening', (_worker, { port }: Address) => {
    listening += 1;
    if (listening === count) printReady(pids, { address: values.host, port });
  });
  cluster.on('exit', (_worker, code, signal) => {
    if (!stopping) {
      console.error(`a worker process ended (code ${code}, signal ${signal})`);
      process.exit(1);
    }
    if (Object.keys(cluster.workers ?? {}).length === 0) process.exit(0);
  });
  for (let i = 0; i < count; i++) {
    const { pid } = cluster.fork().process;
    if (pid !== undefined) pids.push(pid);
  }
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      stopping = true;
      for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM');
    });
  }
} else {
  const workSteps = Number(values['work-steps']);
  createEchoServer(workSteps).listen({ host: values.host, port: Number(values.port), backlog: 4096 });
  process.on('SIGINT', () => {}); // Ctrl-C reaches the workers too: their end is the primary's business
}
