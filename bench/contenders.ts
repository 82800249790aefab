import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Programs } from './native-build.ts';
import { toArguments, UsageError } from './options.ts';
import { packageRoot } from './package-root.ts';
import type { Command } from './process.ts';

/** An echo server that takes part. */
export interface Contender {
  readonly name: string;
  /** What one reads in the table. `workers` is the number asked for; some servers have one thread whatever it is. */
  describe(workers: number): string;
  /** `workSteps`: of requests that ask for work. */
  command(programs: Programs, workers: number, workSteps?: number): Command;
}

const demo: string = join(packageRoot, 'dist', 'src', 'demo', 'main.js');
const anyPort = { host: '127.0.0.1', port: 0 };

function script(name: string): string {
  return fileURLToPath(new URL(`servers/${name}.js`, import.meta.url));
}

function edge(name: string): Contender {
  return {
    name,
    describe: () => 'C, edge-triggered, 1 thread',
    command: (programs, _workers, workSteps = 0) => ({
      name,
      file: programs.edge,
      args: toArguments({ ...anyPort, 'work-steps': workSteps }),
    }),
  };
}

function oneshot(name: string, batch: number): Contender {
  return {
    name,
    describe: (workers) => `C, EPOLLONESHOT, ${threads(workers)}, ${batch} per epoll_wait`,
    command: (programs, workers, workSteps = 0) => ({
      name,
      file: programs.oneshot,
      args: toArguments({ ...anyPort, threads: workers, batch, 'work-steps': workSteps }),
    }),
  };
}

function threads(workers: number): string {
  return workers === 1 ? '1 thread' : `${workers} threads`;
}

/** Options of servers/pool.ts. */
export interface PoolOptions {
  readonly threads?: number;
  readonly idleTimeoutMs?: number;
  readonly rulesOff?: string;
}

/** wakeone as servers/pool.ts runs it: with options that the demo does not have. */
export function poolContender(name: string, options: PoolOptions = {}): Contender {
  return {
    name,
    describe: (workers) => `wakeone, ${threads(options.threads ?? workers)}, ${workers} at once`,
    command: (_programs, workers, workSteps = 0) => ({
      name,
      file: process.execPath,
      args: [
        script('pool'),
        ...toArguments({
          ...anyPort,
          threads: options.threads ?? workers,
          concurrency: workers,
          'work-steps': workSteps,
          'idle-timeout-ms': options.idleTimeoutMs ?? 0,
          'rules-off': options.rulesOff ?? '',
        }),
      ],
    }),
  };
}

/** The contenders of `echo`. */
export const contenders: readonly Contender[] = [
  {
    name: 'wakeone',
    describe: (workers) => `the demo, ${threads(workers)}`,
    command: (_programs, workers) => ({
      name: 'wakeone',
      file: process.execPath,
      args: [
        demo,
        '--json',
        ...toArguments({ echo: 0, host: '127.0.0.1', threads: workers, concurrency: workers }),
      ],
    }),
  },
  edge('c-edge'),
  edge('c-edge-2'), // the same again: what differs between the two is noise
  oneshot('c-oneshot', 1),
  oneshot('c-oneshot-2', 1),
  oneshot('c-oneshot-batch', 64),
  {
    name: 'node-net',
    describe: () => 'node:net, 1 process',
    command: (_programs, _workers, workSteps = 0) => ({
      name: 'node-net',
      file: process.execPath,
      args: [script('node-net'), ...toArguments({ ...anyPort, 'work-steps': workSteps })],
    }),
  },
  {
    name: 'node-cluster',
    describe: (workers) => `node:cluster, 1 + ${workers} processes`,
    command: (_programs, workers, workSteps = 0) => ({
      name: 'node-cluster',
      file: process.execPath,
      args: [
        script('node-cluster'),
        ...toArguments({ ...anyPort, processes: workers, 'work-steps': workSteps }),
      ],
    }),
  },
];

export function contenderNamed(name: string): Contender {
  const found = contenders.find((contender) => contender.name === name);
  if (found !== undefined) return found;
  const names = contenders.map((contender) => contender.name).join(', ');
  throw new UsageError(`there is no server '${name}'; there are ${names}`);
}
