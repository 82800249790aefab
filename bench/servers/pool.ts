/** wakeone with what the demo has no options for: work, idle timeouts, wake rules that are off. */
import { parseArgs } from 'node:util';

import { createPool } from '../../src/index.ts';
import type { WakeRule } from '../../src/options.ts';
import { printReady } from './ready-line.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    threads: { type: 'string', default: '2' },
    concurrency: { type: 'string', default: '2' },
    'work-steps': { type: 'string', default: '0' },
    'idle-timeout-ms': { type: 'string', default: '0' },
    'rules-off': { type: 'string', default: '' },
  },
});
const idleTimeoutMs = Number(values['idle-timeout-ms']);

const pool = await createPool({
  handlers: new URL('pool-handlers.js', import.meta.url),
  minThreads: Number(values.threads),
  concurrency: Number(values.concurrency),
  workerData: Number(values['work-steps']),
  wakeRulesOff: values['rules-off'].split(',').filter((rule) => rule !== '') as WakeRule[],
});
const server = await pool.listen({
  host: values.host,
  port: Number(values.port),
  handler: 'echo',
  backlog: 4096,
  ...(idleTimeoutMs === 0 ? {} : { idleTimeoutMs }),
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => void pool.destroy().then(() => process.exit(0)));
}
const address = server.address();
if (address.family === 'unix') throw new Error('the server has no port');
printReady([process.pid], address);
