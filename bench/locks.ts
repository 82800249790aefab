import { join } from 'node:path';

import { claim } from './claims.ts';
import { describeEnvironment } from './environment.ts';
import { numberIn, parseJsonLine } from './json-line.ts';
import { readOptions, toArguments, usageOf, wholeNumber } from './options.ts';
import { packageRoot } from './package-root.ts';
import { runToEnd } from './process.ts';
import { report } from './report.ts';
import type { Scenario } from './scenario.ts';

const defaults = { rounds: '9', times: '2000000' };

/** What locking and unlocking may cost while nobody else wants the lock. */
const mostNs = 30;
const names = ['mutex', 'mutex.run', 'striped', 'reader', 'writer', 'semaphore'] as const;
const program: string = join(packageRoot, 'dist', 'bench', 'locks', 'program.js');
const timeoutMs = 600_000;

/** What the locks of wakeone/sync cost that are free. */
export const locks: Scenario = {
  name: 'locks',
  summary: 'ns to take and release a lock that is free; over two bare compareExchanges',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = wholeNumber('rounds', options.rounds, 1, 1000);
  const times = wholeNumber('times', options.times, 1, 1e9);
  const environment = describeEnvironment();
  const child = await runToEnd(
    { name: 'locks', file: process.execPath, args: [program, ...toArguments({ rounds, times })] },
    timeoutMs,
  );
  const lines = child.lines.map(parseJsonLine).filter((line) => line !== undefined);
  const nsOf = (name: string): number[] =>
    lines.filter((line) => line['lock'] === name).map((line) => numberIn(line, 'ns'));
  const raw = nsOf('raw');
  if (raw.length !== rounds) throw child.failure('printed too few results');
  const target = (name: string): { atMost: number } | undefined =>
    name === 'mutex' || name === 'striped' ? { atMost: mostNs } : undefined;
  report(
    'locks',
    environment,
    options.json,
    [],
    [
      { ...claim('raw: ns', raw), digits: 1 },
      ...names.map((name) => ({ ...claim(`${name}: ns`, nsOf(name), target(name)), digits: 1 })),
      ...names.map((name) => ({
        ...claim(
          `${name} / raw`,
          nsOf(name).map((ns, round) => ns / (raw[round] ?? 0)),
        ),
        digits: 2,
      })),
    ],
  );
}
