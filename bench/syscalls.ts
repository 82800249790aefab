import { contenderNamed } from './contenders.ts';
import { describeEnvironment, formatEnvironment } from './environment.ts';
import { type RequestLoad, runRequests } from './load.ts';
import { buildPrograms, type Programs } from './native-build.ts';
import { listOf, readOptions, usageOf, wholeNumber } from './options.ts';
import type { Command } from './process.ts';
import type { Scenario } from './scenario.ts';
import { withServer } from './server.ts';
import { type CallCount, countCalls } from './strace-log.ts';
import { withStrace } from './strace.ts';
import { formatTable } from './text-table.ts';

const defaults = {
  requests: '20000',
  warmup: '2000',
  connections: '1,64',
  size: '64',
  workers: '1,2',
  servers: 'wakeone,c-edge',
};

/** Whose calls the target is about; the others are there to compare. */
const judged = 'wakeone';
/** Beyond the two of the echo: what V8's own threads (compiler, collector), timers and the ends of the span may add. */
const tolerance = 0.05;
/** A call that is rarer per echo has no row of its own, but counts. */
const rare = 0.001;

/** System calls per echo, by name, of a server under strace. */
export const syscalls: Scenario = {
  name: 'syscalls',
  summary: 'system calls per echo by name; target: 2 and one epoll_wait per batch',
  usage: usageOf(defaults),
  run,
};

interface Counted {
  readonly server: string;
  readonly workers: number;
  readonly connections: number;
  readonly echoes: number;
  readonly calls: CallCount;
}

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const requests = wholeNumber('requests', options.requests, 1, 1e7);
  const warmup = wholeNumber('warmup', options.warmup, 0, 1e7);
  const size = wholeNumber('size', options.size, 1, 1 << 20);
  const connectionCounts = listOf('connections', options.connections, (word) =>
    wholeNumber('connections', word, 1, 10_000),
  );
  const workerCounts = listOf('workers', options.workers, (word) => wholeNumber('workers', word, 1, 32));
  const servers = listOf('servers', options.servers, contenderNamed);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const counted: Counted[] = [];
  for (const workers of workerCounts) {
    for (const contender of servers) {
      for (const connections of connectionCounts) {
        console.error(`${contender.name}, workers ${workers}, ${connections} connections`);
        const load = { connections, requests, warmup, size, depth: 1 };
        const count = await countOne(programs, contender.command(programs, workers), load);
        counted.push({ server: contender.name, workers, connections, ...count });
      }
    }
  }

  const results = counted.map((one) => ({
    ...one,
    calls: { ...one.calls, byName: Object.fromEntries(one.calls.byName) },
    ...judge(one),
  }));
  if (options.json) console.log(JSON.stringify({ scenario: 'syscalls', environment, results }));
  else
    console.log(
      [formatEnvironment(environment), ...workerCounts.map((n) => format(n, counted))].join('\n\n'),
    );
}

function countOne(
  programs: Programs,
  command: Command,
  load: RequestLoad,
): Promise<Pick<Counted, 'echoes' | 'calls'>> {
  return withServer(command, (server) =>
    withStrace(
      server,
      () => runRequests(programs, server, load),
      (logPath, { beganAt, endedAt, requests }) => ({
        echoes: requests,
        calls: countCalls(logPath, beganAt, endedAt),
      }),
    ),
  );
}

/** All calls, against two per echo and the waits that brought events. */
function judge({ server, calls, echoes }: Counted): {
  readonly perEcho: number;
  readonly verdict?: 'PASS' | 'MISS';
} {
  const all = [...calls.byName.values()].reduce((sum, count) => sum + count, 0);
  const perEcho = all / echoes;
  if (server !== judged) return { perEcho };
  return { perEcho, verdict: all <= (2 + tolerance) * echoes + calls.batches ? 'PASS' : 'MISS' };
}

function format(workers: number, all: readonly Counted[]): string {
  const counted = all.filter((one) => one.workers === workers);
  const most = new Map<string, number>();
  for (const { calls, echoes } of counted) {
    for (const [name, count] of calls.byName) most.set(name, Math.max(most.get(name) ?? 0, count / echoes));
  }
  const names = [...most]
    .filter(([, perEcho]) => perEcho >= rare)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name]) => name);
  const row = (title: string, cell: (one: Counted) => string): string[] => [title, ...counted.map(cell)];
  const table = formatTable(
    ['calls per echo', ...counted.map(({ server, connections }) => `${server}, ${connections} conn.`)],
    [
      ...names.map((name) =>
        row(name, ({ calls, echoes }) => ((calls.byName.get(name) ?? 0) / echoes).toFixed(3)),
      ),
      row('all, with rare ones', (one) => judge(one).perEcho.toFixed(3)),
      row('waits without events', ({ calls, echoes }) => ((calls.waits - calls.batches) / echoes).toFixed(3)),
      row('events per batch', ({ calls }) => (calls.events / calls.batches).toFixed(2)),
      row('2 + 1 per batch', (one) => judge(one).verdict ?? ''),
    ],
  );
  return `== workers: ${workers}\n${table}`;
}
