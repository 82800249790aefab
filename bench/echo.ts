import { contenderNamed } from './contenders.ts';
import { formatEchoReport, judgeEcho, type Measured } from './echo-report.ts';
import { describeEnvironment } from './environment.ts';
import { buildPrograms } from './native-build.ts';
import { listOf, readOptions, usageOf, wholeNumber } from './options.ts';
import { candidateOf, measureRounds, readRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';

const defaults = {
  rounds: '4',
  bursts: '16',
  requests: '30000',
  warmup: '200000',
  connections: '64',
  size: '64',
  depth: '1',
  workers: '1,2',
  servers: 'wakeone,c-edge,c-edge-2,c-oneshot,node-net,node-cluster',
};

/** CPU time and rate of an echo: wakeone, C on epoll, node:net and node:cluster, in interleaved rounds. */
export const echo: Scenario = {
  name: 'echo',
  summary: 'CPU time per request and requests per second, against C, node:net and node:cluster',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = readRounds(options);
  const workerCounts = listOf('workers', options.workers, (word) => wholeNumber('workers', word, 1, 32));
  const servers = listOf('servers', options.servers, contenderNamed);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const measured: Measured[] = [];
  for (const workers of workerCounts) {
    const candidates = servers.map((server) => candidateOf(server, programs, workers));
    measured.push({
      workers,
      servers: await measureRounds(`workers ${workers}`, programs, candidates, rounds),
    });
  }

  if (options.json) {
    const results = measured.map((one) => ({ ...one, verdicts: judgeEcho(one) }));
    console.log(JSON.stringify({ scenario: 'echo', environment, ...rounds, results }));
  } else {
    console.log(formatEchoReport(environment, rounds, measured));
  }
}
