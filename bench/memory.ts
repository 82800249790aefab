import { setTimeout as sleep } from 'node:timers/promises';

import { contenderNamed } from './contenders.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import { describeEnvironment, formatEnvironment } from './environment.ts';
import { openIdle } from './load.ts';
import { buildPrograms, type Programs } from './native-build.ts';
import { listOf, readOptions, usageOf, wholeNumber } from './options.ts';
import { type Memory, readMemory } from './process-memory.ts';
import type { Scenario } from './scenario.ts';
import { type Server, withServer } from './server.ts';
import { type Summary, summarize } from './statistics.ts';
import { formatTable } from './text-table.ts';

const defaults = {
  connections: '8000',
  rounds: '3',
  workers: '2',
  servers: 'wakeone,c-edge,node-net',
};

/** Descriptors that a server needs for itself. */
const spareDescriptors = 256;
const settleMs = 1000;
const readings = 5;
const readingGapMs = 100;

/** What an idle connection costs in user space: the growth from half of the connections to all of them. */
export const idleMemory: Scenario = {
  name: 'idle-memory',
  summary: 'bytes of user memory per idle connection',
  usage: usageOf(defaults),
  run,
};

interface Growth {
  readonly server: string;
  /** Bytes per connection. */
  readonly rss: Summary;
  readonly privateDirty: Summary;
  /** With all connections open. */
  readonly totalRss: number;
}

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const asked = wholeNumber('connections', options.connections, 2, 25_000); // one address has some 28,000 ports
  const rounds = wholeNumber('rounds', options.rounds, 1, 100);
  const workers = wholeNumber('workers', options.workers, 1, 32);
  const servers = listOf('servers', options.servers, contenderNamed);
  const half = Math.floor(Math.min(asked, descriptorLimit() - spareDescriptors) / 2);
  if (half < 1) throw new Error(`RLIMIT_NOFILE (${descriptorLimit()}) leaves no room for connections`);
  if (half < Math.floor(asked / 2)) console.error(`RLIMIT_NOFILE allows ${2 * half} connections`);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const results: Growth[] = [];
  for (const contender of servers) {
    const samples: Array<{ readonly before: Memory; readonly after: Memory }> = [];
    for (let round = 0; round < rounds; round++) {
      console.error(`${contender.name}, round ${round + 1} of ${rounds}`);
      const command = contender.command(programs, workers);
      samples.push(await withServer(command, (server) => takeSample(programs, server, half)));
    }
    const perConnection = (field: keyof Memory): Summary =>
      summarize(samples.map(({ before, after }) => (after[field] - before[field]) / half));
    results.push({
      server: contender.name,
      rss: perConnection('rss'),
      privateDirty: perConnection('privateDirty'),
      totalRss: summarize(samples.map(({ after }) => after.rss)).median,
    });
  }

  if (options.json) {
    console.log(
      JSON.stringify({
        scenario: 'idle-memory',
        environment,
        from: half,
        to: 2 * half,
        workers,
        rounds,
        results,
      }),
    );
    return;
  }
  const table = formatTable(
    ['bytes per connection, median', 'Private_Dirty', 'least', 'most', 'Rss', 'Rss in all, MiB'],
    results.map(({ server, rss, privateDirty, totalRss }) => [
      server,
      ...[privateDirty.median, privateDirty.least, privateDirty.most, rss.median].map((bytes) =>
        bytes.toFixed(0),
      ),
      (totalRss / 1024 / 1024).toFixed(1),
    ]),
  );
  const setting = `growth   from ${half} to ${2 * half} idle connections, workers ${workers}, ${rounds} rounds`;
  console.log(`${formatEnvironment(environment)}\n${setting}\n\n${table}`);
}

/** The first half also fills what is allocated once: heaps that grow in steps, tables, code. */
async function takeSample(
  programs: Programs,
  server: Server,
  half: number,
): Promise<{ readonly before: Memory; readonly after: Memory }> {
  const first = await openIdle(programs, server, half);
  const before = await settledMemory(server);
  const second = await openIdle(programs, server, half);
  const after = await settledMemory(server);
  await Promise.all([first.end(), second.end()]);
  return { before, after };
}

/** The median of a few readings, after a moment for the collectors. */
async function settledMemory(server: Server): Promise<Memory> {
  await sleep(settleMs);
  const taken: Memory[] = [];
  for (let i = 0; i < readings; i++) {
    taken.push(readMemory(server.pids));
    await sleep(readingGapMs);
  }
  const middle = (field: keyof Memory): number => summarize(taken.map((memory) => memory[field])).median;
  return { rss: middle('rss'), privateDirty: middle('privateDirty') };
}
