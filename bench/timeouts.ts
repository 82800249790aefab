import { join } from 'node:path';

import { claim, noise } from './claims.ts';
import { poolContender } from './contenders.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import { describeEnvironment } from './environment.ts';
import { numberIn, parseJsonLine } from './json-line.ts';
import { buildPrograms } from './native-build.ts';
import { readOptions, toArguments, usageOf, wholeNumber } from './options.ts';
import { packageRoot } from './package-root.ts';
import { runToEnd } from './process.ts';
import { report, type Section } from './report.ts';
import { candidateOf, measureRounds, ratiosOf, readRounds, type Rounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';

const defaults = {
  rounds: '5',
  requests: '100000',
  warmup: '60000',
  connections: '64',
  size: '64',
  workers: '2',
  'idle-timeout-ms': '60000',
  'idle-connections': '15000',
  touches: '20000000',
  'touch-rounds': '7',
};

/** What pushing an idle timeout ahead may cost. */
const mostNs = 30;
/** Descriptors that a process needs for itself. */
const spareDescriptors = 256;
/** Each slot of many is in no cache: at random, in as much memory as so many registrations take. */
const manySlots = 20_000;

const program: string = join(packageRoot, 'dist', 'bench', 'timeouts', 'program.js');
const touchTimeoutMs = 600_000;

/** What an idle timeout costs that is pushed ahead by each event, and what those cost that nobody pushes. */
export const timeouts: Scenario = {
  name: 'timeouts',
  summary: 'ns to push an idle timeout ahead; CPU per echo with idle timeouts against without',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const alone = readRounds(options);
  const workers = wholeNumber('workers', options.workers, 1, 32);
  const idleTimeoutMs = wholeNumber('idle-timeout-ms', options['idle-timeout-ms'], 1, 2 ** 30);
  const asked = wholeNumber('idle-connections', options['idle-connections'], 0, 25_000); // one address has some 28,000 ports
  const idle = Math.min(asked, descriptorLimit() - spareDescriptors - alone.load.connections);
  if (idle < asked) console.error(`RLIMIT_NOFILE allows ${idle} idle connections`);
  const touches = wholeNumber('touches', options.touches, 1, 1e9);
  const touchRounds = wholeNumber('touch-rounds', options['touch-rounds'], 1, 100);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const few = await measureTouches(1, touches, touchRounds);
  const many = await measureTouches(manySlots, touches, touchRounds);

  const candidates = [
    poolContender('without'),
    poolContender('without-2'), // the same again: what differs between the two is noise
    poolContender('with', { idleTimeoutMs }),
  ].map((server) => candidateOf(server, programs, workers));
  const sections: Section[] = [];
  for (const rounds of [alone, { ...alone, idle }] satisfies Rounds[]) {
    const title = rounds === alone ? 'timeouts' : 'timeouts, silent connections too';
    const servers = await measureRounds(title, programs, candidates, rounds);
    const cpu = (of: string): number[] => ratiosOf(servers, of, 'without', 'cpuUsPerRequest');
    const claims = [
      claim('CPU: with / without', cpu('with')),
      noise('CPU: without-2 / without', cpu('without-2')),
    ];
    sections.push({ title: `${title}: idleTimeoutMs ${idleTimeoutMs}`, rounds, servers, claims });
  }
  report('timeouts', environment, options.json, sections, [
    { ...claim('ns to push ahead the timeout of one slot', few, { atMost: mostNs }), digits: 1 },
    { ...claim(`ns, of ${manySlots} slots at random`, many, { atMost: mostNs }), digits: 1 },
  ]);
}

/** Nanoseconds for each push, round by round. */
async function measureTouches(slots: number, touches: number, rounds: number): Promise<number[]> {
  const child = await runToEnd(
    {
      name: `touches of ${slots} slots`,
      file: process.execPath,
      args: [program, ...toArguments({ slots, touches, rounds })],
    },
    touchTimeoutMs,
  );
  const results = child.lines.map(parseJsonLine).filter((line) => line !== undefined);
  if (results.length !== rounds) throw child.failure('printed too few results');
  return results.map((line) => numberIn(line, 'nsPerTouch'));
}
