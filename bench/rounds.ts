import type { Contender } from './contenders.ts';
import { readCpuTicks, ticksBetween } from './cpu-time.ts';
import { openIdle, openPumps, proveRight, type RequestLoad, runRequests } from './load.ts';
import type { Programs } from './native-build.ts';
import { wholeNumber } from './options.ts';
import type { Command } from './process.ts';
import { type Server, withServer, withServers } from './server.ts';
import { ratios, rotated, summarize } from './statistics.ts';
import { formatTable } from './text-table.ts';

/** A server that takes part, with all its options. */
export interface Candidate {
  readonly name: string;
  readonly description: string;
  readonly command: Command;
}

/** One server, one burst of a round. */
export interface Sample {
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  /** Its CPU time in ticks of 10 ms, a warm-up before the sample included: all of it, and what is not the kernel's. */
  readonly ticks: number;
  readonly userTicks: number;
  /** Latencies of the requests that ask for no work. */
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
  /** Those of the requests that do. */
  readonly workP50us: number;
  readonly workP99us: number;
}

/** All rounds of a server, in order. */
export interface MeasuredServer {
  readonly name: string;
  readonly description: string;
  readonly samples: readonly Sample[];
}

export interface Rounds {
  readonly rounds: number;
  /** Samples of each server in a round. */
  readonly bursts: number;
  readonly load: RequestLoad;
  /** Connections that are open beside those of the load, and silent. */
  readonly idle?: number;
  /** Connections beside those of the load that send, and are echoed, as much as goes. */
  readonly pumps?: number;
}

/** The options of a scenario that measures servers in rounds. */
export interface RoundsOptions {
  readonly rounds: string;
  readonly bursts?: string;
  readonly requests: string;
  readonly warmup: string;
  readonly connections: string;
  readonly size: string;
  readonly depth?: string;
}

/** Requests before each burst that aren't counted, as a part of those that are: its connections are new. */
const SETTLING = 0.1;

/** `workEvery`: which requests ask for work. */
export function readRounds(options: RoundsOptions, workEvery?: number): Rounds {
  return {
    rounds: wholeNumber('rounds', options.rounds, 1, 1000),
    bursts: wholeNumber('bursts', options.bursts ?? '1', 1, 1000),
    load: {
      connections: wholeNumber('connections', options.connections, 1, 100_000),
      requests: wholeNumber('requests', options.requests, 1, 1e9),
      warmup: wholeNumber('warmup', options.warmup, 0, 1e9),
      size: wholeNumber('size', options.size, 1, 1 << 20),
      depth: wholeNumber('depth', options.depth ?? '1', 1, 1024),
      ...(workEvery === undefined ? {} : { workEvery }),
    },
  };
}

export function candidateOf(
  contender: Contender,
  programs: Programs,
  workers: number,
  workSteps = 0,
): Candidate {
  const { name } = contender;
  return {
    name,
    description: contender.describe(workers),
    command: contender.command(programs, workers, workSteps),
  };
}

/**
 * Proves each server right, then measures them in rounds that each begin with another one. In a round of one burst the servers
 * run one after the other. In one of several they are there together, the silent ones idle: each is warmed up once, by what it
 * is to be measured with, and then they take turns, so that what the machine does meanwhile hits all of them alike.
 */
export async function measureRounds(
  title: string,
  programs: Programs,
  candidates: readonly Candidate[],
  amounts: Rounds,
): Promise<MeasuredServer[]> {
  const { rounds, bursts, load } = amounts;
  for (const { name, command } of candidates) {
    progress(`proving ${name} right, ${title}`);
    await withServer(command, (server) => proveRight(programs, server));
  }
  const results = candidates.map(({ name, description, command }) => ({
    name,
    description,
    command,
    samples: [] as Sample[],
  }));
  for (let round = 0; round < rounds; round++) {
    progress(`${title}, round ${round + 1} of ${rounds}`);
    if (bursts > 1) {
      await takeBursts(programs, results, round, amounts);
      continue;
    }
    for (const { command, samples } of rotated(results, round)) {
      samples.push(await withServer(command, (server) => takeSample(programs, server, load, amounts)));
    }
  }
  return results.map(({ name, description, samples }) => ({ name, description, samples }));
}

/** A round in which all servers are there, and take turns. */
async function takeBursts(
  programs: Programs,
  results: readonly { readonly command: Command; readonly samples: Sample[] }[],
  round: number,
  amounts: Rounds,
): Promise<void> {
  const { bursts, load } = amounts;
  const commands = results.map(({ command }) => command);
  await withServers(commands, async (servers) => {
    const running = results.map(({ samples }, i) => ({ samples, server: servers[i] as Server }));
    if (load.warmup > 0)
      for (const { server } of running)
        await takeSample(programs, server, { ...load, requests: load.warmup, warmup: 0 }, amounts);
    const burst = { ...load, warmup: Math.min(load.warmup, Math.ceil(load.requests * SETTLING)) };
    for (let i = 0; i < bursts; i++)
      for (const { server, samples } of rotated(running, round + i))
        samples.push(await takeSample(programs, server, burst, amounts));
  });
}

async function takeSample(
  programs: Programs,
  server: Server,
  load: RequestLoad,
  { idle = 0, pumps = 0 }: Rounds,
): Promise<Sample> {
  const silent = idle === 0 ? undefined : await openIdle(programs, server, idle);
  const flood = pumps === 0 ? undefined : await openPumps(programs, server, pumps);
  const before = readCpuTicks(server.pids);
  const result = await runRequests(programs, server, load);
  const ticks = ticksBetween(before, readCpuTicks(server.pids));
  await flood?.end();
  await silent?.end();
  return {
    cpuUsPerRequest: (result.serverCpuSeconds * 1e6) / result.requests,
    requestsPerSecond: result.requests / result.seconds,
    userTicks: ticks.user,
    ticks: ticks.user + ticks.system,
    p50us: result.p50us,
    p99us: result.p99us,
    p999us: result.p999us,
    workP50us: result.workP50us,
    workP99us: result.workP99us,
  };
}

/** A figure of one server over another's, round by round; undefined if one of them did not take part. */
export function ratiosBetween(
  servers: readonly MeasuredServer[],
  of: string,
  to: string,
  figure: keyof Sample,
): number[] | undefined {
  const valuesOf = (name: string): number[] | undefined =>
    servers.find((server) => server.name === name)?.samples.map((sample) => sample[figure]);
  const numerators = valuesOf(of);
  const denominators = valuesOf(to);
  return numerators === undefined || denominators === undefined
    ? undefined
    : ratios(numerators, denominators);
}

/** The same, of servers that all take part. */
export function ratiosOf(
  servers: readonly MeasuredServer[],
  of: string,
  to: string,
  figure: keyof Sample,
): number[] {
  const found = ratiosBetween(servers, of, to, figure);
  if (found === undefined) throw new Error(`${of} and ${to} are not both among the servers`);
  return found;
}

const workColumns: ReadonlyArray<readonly [title: string, key: keyof Sample]> = [
  ['work p50', 'workP50us'],
  ['work p99', 'workP99us'],
];
const otherColumns: ReadonlyArray<readonly [title: string, key: keyof Sample]> = [
  ['p50 us', 'p50us'],
  ['p99 us', 'p99us'],
  ['p99.9 us', 'p999us'],
];

/** The medians of all servers; latencies only of the kinds of requests that there were. */
export function formatServers(servers: readonly MeasuredServer[]): string {
  const middle = (samples: readonly Sample[], key: keyof Sample): number =>
    summarize(samples.map((sample) => sample[key])).median;
  // A sample may be a few ticks long.
  const total = (samples: readonly Sample[], key: keyof Sample): number =>
    samples.reduce((sum, sample) => sum + sample[key], 0);
  const latencies = [...otherColumns, ...workColumns].filter(([, key]) =>
    servers.some(({ samples }) => middle(samples, key) > 0),
  );
  return formatTable(
    [
      'server (medians)',
      'CPU us/request',
      'user',
      'requests/s',
      ...latencies.map(([title]) => title),
      'what it is',
    ],
    servers.map(({ name, description, samples }) => [
      name,
      middle(samples, 'cpuUsPerRequest').toFixed(2),
      `${((total(samples, 'userTicks') / total(samples, 'ticks')) * 100).toFixed(0)} %`,
      middle(samples, 'requestsPerSecond').toFixed(0),
      ...latencies.map(([, key]) => middle(samples, key).toFixed(0)),
      description,
    ]),
  );
}

/** The line of a report that says what load there was. */
export function formatRounds({ rounds, bursts, load, idle = 0, pumps = 0 }: Rounds): string {
  const { connections, depth, size, requests, warmup, workEvery } = load;
  const silent = idle === 0 ? '' : ` beside ${idle} silent ones`;
  const besides = pumps === 0 ? silent : `${silent} beside ${pumps} that pump`;
  const work =
    workEvery === undefined ? '' : `, ${workEvery === 1 ? 'all' : `one in ${workEvery}`} of them with work`;
  return (
    `load     ${connections} connections${besides}, ${depth} outstanding each, ${size} bytes, ` +
    `${requests} requests after ${warmup}${work}, ${rounds} rounds` +
    (bursts === 1 ? '' : ` of ${bursts} bursts`)
  );
}

function progress(text: string): void {
  console.error(text);
}
