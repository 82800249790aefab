import { type Contender, contenderNamed } from './contenders.ts';
import { readCpuTicks, ticksBetween } from './cpu-time.ts';
import { formatEchoReport, judge, type Measured, type Sample } from './echo-report.ts';
import { describeEnvironment } from './environment.ts';
import { proveRight, type RequestLoad, runRequests } from './load.ts';
import { buildPrograms, type Programs } from './native-build.ts';
import { listOf, readOptions, wholeNumber } from './options.ts';
import type { Scenario } from './scenario.ts';
import { type Server, withServer } from './server.ts';
import { rotated } from './statistics.ts';

const defaults = {
  rounds: '7',
  requests: '200000',
  warmup: '150000',
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
  usage: [
    ...Object.entries(defaults).map(([name, value]) => `--${name} ${value}`),
    '--json   one JSON object on stdout',
  ].join('\n'),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = wholeNumber('rounds', options.rounds, 1, 1000);
  const load: RequestLoad = {
    connections: wholeNumber('connections', options.connections, 1, 100_000),
    requests: wholeNumber('requests', options.requests, 1, 1e9),
    warmup: wholeNumber('warmup', options.warmup, 0, 1e9),
    size: wholeNumber('size', options.size, 1, 1 << 20),
    depth: wholeNumber('depth', options.depth, 1, 1024),
  };
  const workerCounts = listOf('workers', options.workers, (word) => wholeNumber('workers', word, 1, 32));
  const servers = listOf('servers', options.servers, contenderNamed);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const measured: Measured[] = [];
  for (const workers of workerCounts) {
    measured.push({ workers, servers: await measure(programs, servers, workers, rounds, load) });
  }

  if (options.json) {
    const results = measured.map((one) => ({ ...one, ...judge(one) }));
    console.log(JSON.stringify({ scenario: 'echo', environment, rounds, load, results }));
  } else {
    console.log(formatEchoReport(environment, rounds, load, measured));
  }
}

async function measure(
  programs: Programs,
  servers: readonly Contender[],
  workers: number,
  rounds: number,
  load: RequestLoad,
): Promise<Measured['servers']> {
  for (const contender of servers) {
    progress(`proving ${contender.name} right, workers ${workers}`);
    await withServer(contender.command(programs, workers), (server) => proveRight(programs, server));
  }
  const results = servers.map((contender) => ({
    name: contender.name,
    description: contender.describe(workers),
    samples: [] as Sample[],
  }));
  for (let round = 0; round < rounds; round++) {
    progress(`workers ${workers}, round ${round + 1} of ${rounds}`);
    for (const index of rotated([...servers.keys()], round)) {
      const contender = servers[index];
      if (contender === undefined) continue;
      const sample = await withServer(contender.command(programs, workers), (server) =>
        takeSample(programs, server, load),
      );
      results[index]?.samples.push(sample);
    }
  }
  return results;
}

async function takeSample(programs: Programs, server: Server, load: RequestLoad): Promise<Sample> {
  const before = readCpuTicks(server.pids);
  const result = await runRequests(programs, server, load);
  const ticks = ticksBetween(before, readCpuTicks(server.pids));
  return {
    cpuUsPerRequest: (result.serverCpuSeconds * 1e6) / result.requests,
    requestsPerSecond: result.requests / result.seconds,
    userShare: ticks.user / (ticks.user + ticks.system),
    p50us: result.p50us,
    p99us: result.p99us,
    p999us: result.p999us,
  };
}

function progress(text: string): void {
  console.error(text);
}
