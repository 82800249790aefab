/** Baseline `node:net`: one process, one event loop. */
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';

import { createEchoServer } from './echo-listener.ts';
import { printReady } from './ready-line.ts';

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    'work-steps': { type: 'string', default: '0' },
  },
});

const server = createEchoServer(Number(values['work-steps']));
server.listen({ host: values.host, port: Number(values.port), backlog: 4096 }, () => {
  printReady([process.pid], server.address() as AddressInfo);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
