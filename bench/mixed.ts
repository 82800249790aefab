import { claim, noise } from './claims.ts';
import { contenderNamed, poolContender } from './contenders.ts';
import { describeEnvironment } from './environment.ts';
import { buildPrograms } from './native-build.ts';
import { readOptions, usageOf, wholeNumber } from './options.ts';
import { report } from './report.ts';
import { candidateOf, measureRounds, ratiosOf, readRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';
import { stepsPerMs } from './servers/work.ts';

const defaults = {
  rounds: '7',
  requests: '100000',
  warmup: '40000',
  connections: '64',
  size: '64',
  workers: '2',
  'work-every': '2000',
  'work-ms': '10',
};

/** At most so much of node:cluster's. */
const mostOfCluster = 0.5;

const pool = poolContender('wakeone');
const servers = [
  pool,
  ...['c-oneshot', 'c-oneshot-2', 'node-net', 'node-cluster'].map((name) => contenderNamed(name)),
];

/** Few requests that need much CPU among many that need little: what the others wait. */
export const mixed: Scenario = {
  name: 'mixed',
  summary: 'p99 of echoes while one request in 2,000 takes 10 ms of CPU, against node:cluster',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = readRounds(options, wholeNumber('work-every', options['work-every'], 2, 1e9));
  const workers = wholeNumber('workers', options.workers, 1, 32);
  const workMs = wholeNumber('work-ms', options['work-ms'], 1, 1000);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const workSteps = workMs * stepsPerMs();
  const candidates = servers.map((server) => candidateOf(server, programs, workers, workSteps));
  const measured = await measureRounds('mixed', programs, candidates, rounds);
  const against = (of: string, to: string, figure: 'p99us' | 'cpuUsPerRequest'): number[] =>
    ratiosOf(measured, of, to, figure);
  report('mixed', environment, options.json, [
    {
      title: `workers ${workers}, work of ${workMs} ms (${workSteps} steps)`,
      rounds,
      servers: measured,
      claims: [
        claim('p99: wakeone / node-cluster', against('wakeone', 'node-cluster', 'p99us'), {
          atMost: mostOfCluster,
        }),
        claim('p99: wakeone / node-net', against('wakeone', 'node-net', 'p99us')),
        claim('p99: wakeone / c-oneshot', against('wakeone', 'c-oneshot', 'p99us')),
        noise('p99: c-oneshot-2 / c-oneshot', against('c-oneshot-2', 'c-oneshot', 'p99us')),
        claim('CPU: wakeone / node-cluster', against('wakeone', 'node-cluster', 'cpuUsPerRequest')),
        claim('CPU: wakeone / c-oneshot', against('wakeone', 'c-oneshot', 'cpuUsPerRequest')),
        noise('CPU: c-oneshot-2 / c-oneshot', against('c-oneshot-2', 'c-oneshot', 'cpuUsPerRequest')),
      ],
    },
  ]);
}
