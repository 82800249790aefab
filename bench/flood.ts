import { claim, noise } from './claims.ts';
import { contenderNamed } from './contenders.ts';
import { describeEnvironment } from './environment.ts';
import { buildPrograms } from './native-build.ts';
import { listOf, readOptions, usageOf, wholeNumber } from './options.ts';
import { report, type Section } from './report.ts';
import { candidateOf, measureRounds, ratiosOf, readRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';

const defaults = {
  rounds: '3',
  bursts: '7',
  requests: '15000',
  warmup: '150000',
  connections: '32',
  size: '64',
  workers: '1,2',
  pumps: '1',
};

const servers = ['wakeone', 'c-oneshot', 'c-oneshot-2', 'node-net'].map((name) => contenderNamed(name));

/** One connection that sends as much as it can: what the others wait. */
export const flood: Scenario = {
  name: 'flood',
  summary: 'p99 of echoes beside a connection that pumps, against C',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = { ...readRounds(options), pumps: wholeNumber('pumps', options.pumps, 1, 1000) };
  const workerCounts = listOf('workers', options.workers, (word) => wholeNumber('workers', word, 1, 32));

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const sections: Section[] = [];
  for (const workers of workerCounts) {
    const title = `workers ${workers}`;
    const candidates = servers.map((server) => candidateOf(server, programs, workers));
    const measured = await measureRounds(title, programs, candidates, rounds);
    const p99 = (of: string, to: string): number[] => ratiosOf(measured, of, to, 'p99us');
    sections.push({
      title,
      rounds,
      servers: measured,
      claims: [
        claim('p99: wakeone / c-oneshot', p99('wakeone', 'c-oneshot'), { atMost: 1 }),
        claim('p99: wakeone / node-net', p99('wakeone', 'node-net')),
        noise('p99: c-oneshot-2 / c-oneshot', p99('c-oneshot-2', 'c-oneshot')),
      ],
    });
  }
  report('flood', environment, options.json, sections);
}
