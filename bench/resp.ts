import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

import { type Claim, claim, formatVerdicts, judge, noise } from './claims.ts';
import { readCpuTicks, ticksBetween } from './cpu-time.ts';
import { describeEnvironment, formatEnvironment } from './environment.ts';
import { parseJsonLine } from './json-line.ts';
import { readOptions, toArguments, usageOf, wholeNumber } from './options.ts';
import { packageRoot } from './package-root.ts';
import { type Child, runToEnd, startChild } from './process.ts';
import type { Scenario } from './scenario.ts';
import { ratios, rotated } from './statistics.ts';

const defaults = {
  rounds: '7',
  workers: '1,2',
  connections: '50',
  size: '64',
  commands: '100000',
  'deep-commands': '600000',
  'sleep-commands': '10000',
};

/** CPU time per command, times that of Redis: one command outstanding for each connection, and 16. */
const mostOfRedis = { 1: 1.3, 16: 3 } as const;
/** While another client makes the server sleep for 20 ms, again and again. */
const mostP99Ms = 2;
const sleepSeconds = '0.02';
const sleepingWorkers = 2;

const usPerTick = 10_000;
const readyTimeoutMs = 20_000;
const loadTimeoutMs = 120_000;
const host = '127.0.0.1';

type Depth = keyof typeof mostOfRedis;
type Load = { readonly command: 'get' | 'set'; readonly depth: Depth };
type Running = { readonly name: string; readonly child: Child; readonly port: number };

const loads: readonly Load[] = ([1, 16] as const).flatMap((depth) =>
  (['get', 'set'] as const).map((command) => ({ command, depth })),
);

/** The cache of the demo beside Redis: CPU per command, and who waits while a command sleeps. */
export const resp: Scenario = {
  name: 'resp',
  summary: 'CPU per GET and SET of the cache against redis-server; p99 while another command sleeps',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = wholeNumber('rounds', options.rounds, 1, 1000);
  const connections = wholeNumber('connections', options.connections, 1, 10_000);
  const size = wholeNumber('size', options.size, 1, 1 << 20);
  const counts: Readonly<Record<Depth, number>> = {
    1: wholeNumber('commands', options.commands, 1000, 1e9),
    16: wholeNumber('deep-commands', options['deep-commands'], 1000, 1e9),
  };
  const sleepCommands = wholeNumber('sleep-commands', options['sleep-commands'], 100, 1e9);
  const environment = describeEnvironment();
  const claims: Claim[] = [];
  for (const workers of options.workers.split(',').map((text) => wholeNumber('workers', text, 1, 32)))
    claims.push(...(await compare({ workers, rounds, connections, size, counts })));
  claims.push(...(await sleep(rounds, connections, sleepCommands)));

  const verdicts = judge(claims);
  if (options.json) console.log(JSON.stringify({ scenario: 'resp', environment, rounds, counts, verdicts }));
  else {
    console.log(formatEnvironment(environment));
    console.log(`load     redis-benchmark, ${connections} connections, ${size} bytes, ${rounds} rounds\n`);
    console.log(formatVerdicts('CPU per command: wakeone / redis', verdicts));
  }
}

type Comparison = {
  readonly workers: number;
  readonly rounds: number;
  readonly connections: number;
  readonly size: number;
  readonly counts: Readonly<Record<Depth, number>>;
};

async function compare({ workers, rounds, connections, size, counts }: Comparison): Promise<Claim[]> {
  const servers = await Promise.all([startCache(workers), startRedis('redis'), startRedis('redis-2')]);
  const values = new Map<string, number[]>();
  const key = (name: string, { command, depth }: Load): string => `${name} ${command} ${depth}`;
  try {
    for (let round = -1; round < rounds; round++) {
      // The first one warms up: it does not count.
      console.error(`${workers} workers, round ${round + 1} of ${rounds}`);
      for (const load of loads)
        for (const server of rotated(servers, Math.max(0, round))) {
          const before = readCpuTicks([server.child.pid]);
          const count = counts[load.depth];
          await benchmark(server.port, load, connections, count, size);
          const { user, system } = ticksBetween(before, readCpuTicks([server.child.pid]));
          if (round < 0) continue;
          const at = key(server.name, load);
          values.set(at, [...(values.get(at) ?? []), ((user + system) * usPerTick) / count]);
        }
    }
  } finally {
    for (const { child } of servers) await child.end();
  }
  const ratio = (of: string, load: Load): number[] =>
    ratios(values.get(key(of, load)) ?? [], values.get(key('redis', load)) ?? []);
  return loads.flatMap((load) => {
    const what = `${load.command.toUpperCase()}, ${load.depth} deep, ${workers === 1 ? '1 worker' : `${workers} workers`}`;
    return [
      claim(what, ratio('wakeone', load), { atMost: mostOfRedis[load.depth] }),
      noise(`${what}: redis-2 / redis`, ratio('redis-2', load)),
    ];
  });
}

/** What GETs wait for while one client makes the server sleep. */
async function sleep(rounds: number, connections: number, count: number): Promise<Claim[]> {
  const servers = await Promise.all([startCache(sleepingWorkers), startRedis('redis')]);
  const waits = new Map<string, number[]>(servers.map(({ name }) => [name, []]));
  try {
    for (let round = 0; round < rounds; round++) {
      console.error(`a command that sleeps, round ${round + 1} of ${rounds}`);
      for (const { name, port } of rotated(servers, round)) {
        const sleeper = await startChild({
          name: 'sleeper',
          file: 'redis-cli',
          args: ['-p', String(port), '-r', '1000000', 'debug', 'sleep', sleepSeconds],
        });
        // A server that is held up answers few.
        const few = name === 'redis' ? Math.ceil(count / 100) : count;
        const load: Load = { command: 'get', depth: 1 };
        waits.get(name)?.push(await benchmark(port, load, Math.min(connections, 10), few, 64));
        await sleeper.end();
      }
    }
  } finally {
    for (const { child } of servers) await child.end();
  }
  return [
    claim('p99 of GETs in ms while another command sleeps: wakeone', waits.get('wakeone') ?? [], {
      atMost: mostP99Ms,
    }),
    claim('the same: redis', waits.get('redis') ?? []),
  ];
}

/** Runs redis-benchmark; its p99 in milliseconds. */
async function benchmark(
  port: number,
  { command, depth }: Load,
  connections: number,
  count: number,
  size: number,
): Promise<number> {
  const settings = {
    '-h': host,
    '-p': port,
    '-c': connections,
    '-n': count,
    '-P': depth,
    '-d': size,
    '-t': command,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [name, String(value)]);
  const child = await runToEnd(
    { name: 'redis-benchmark', file: 'redis-benchmark', args: [...args, '--csv'] },
    loadTimeoutMs,
  );
  const [titles = '', figures = ''] = child.lines.slice(-2);
  const at = titles.split(',').indexOf('"p99_latency_ms"');
  const p99 = Number(figures.split(',')[at]?.replaceAll('"', ''));
  if (!(p99 >= 0)) throw child.failure(`printed no p99: ${child.lines.join(' | ')}`);
  return p99;
}

async function startCache(workers: number): Promise<Running> {
  const options = { echo: 0, resp: 0, host, threads: workers, concurrency: workers };
  const child = await startChild({
    name: 'wakeone',
    file: process.execPath,
    args: [join(packageRoot, 'dist', 'src', 'demo', 'main.js'), '--json', ...toArguments(options)],
  });
  const port = await child.waitFor('ready line', readyTimeoutMs, () => {
    const fields = child.lines.map(parseJsonLine).find((line) => line?.['ready'] === true);
    return (fields?.['resp'] as { readonly port?: number } | undefined)?.port;
  });
  return { name: 'wakeone', child, port };
}

async function startRedis(name: string): Promise<Running> {
  const port = await freePort();
  const settings = { port, bind: host, save: '', appendonly: 'no', 'enable-debug-command': 'yes' };
  const child = await startChild({ name, file: 'redis-server', args: toArguments(settings) });
  await child.waitFor('ready line', readyTimeoutMs, () =>
    child.lines.some((line) => line.includes('Ready to accept connections')) ? true : undefined,
  );
  return { name, child, port };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
