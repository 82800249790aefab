import { join } from 'node:path';

import { claim, noise } from './claims.ts';
import { type Contender, poolContender } from './contenders.ts';
import { describeEnvironment } from './environment.ts';
import { numberIn, parseJsonLine } from './json-line.ts';
import { buildPrograms } from './native-build.ts';
import { readOptions, toArguments, usageOf, wholeNumber } from './options.ts';
import { packageRoot } from './package-root.ts';
import { runToEnd } from './process.ts';
import { report } from './report.ts';
import { candidateOf, measureRounds, ratiosOf, readRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';

const defaults = {
  rounds: '7',
  requests: '150000',
  warmup: '100000',
  connections: '64',
  size: '64',
  concurrency: '2',
  threads: '8',
  'calm-rounds': '3',
  'calm-requests': '200',
  'calm-per-second': '20',
  'calm-connections': '8',
};

/** Threads above the limit may cost so much more. */
const mostOfFew = 1.05;
/** The part of calm requests that the worker with the most of them runs. */
const leastInOne = 0.95;

const program: string = join(packageRoot, 'dist', 'bench', 'spares', 'program.js');
const calmTimeoutMs = 600_000;

/** Threads beyond the limit: what they cost, and whether calm requests stay with one worker. */
export const spares: Scenario = {
  name: 'spares',
  summary: 'CPU per echo of 8 threads that run 2 at once, against 2 threads; where calm requests run',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = readRounds(options);
  const concurrency = wholeNumber('concurrency', options.concurrency, 1, 32);
  const threads = wholeNumber('threads', options.threads, concurrency, 32);
  const calmRounds = wholeNumber('calm-rounds', options['calm-rounds'], 1, 100);
  const calm = {
    concurrency,
    threads,
    requests: wholeNumber('calm-requests', options['calm-requests'], 1, 10_000),
    'per-second': wholeNumber('calm-per-second', options['calm-per-second'], 1, 1000),
    connections: wholeNumber('calm-connections', options['calm-connections'], 1, 1000),
  };

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const servers: Contender[] = [
    poolContender('few'),
    poolContender('few-2'), // the same again: what differs between the two is noise
    poolContender('many', { threads }),
  ];
  const candidates = servers.map((server) => candidateOf(server, programs, concurrency));
  const measured = await measureRounds('spares', programs, candidates, rounds);
  const inOne: number[] = [];
  for (let round = 0; round < calmRounds; round++) {
    console.error(`calm requests, round ${round + 1} of ${calmRounds}`);
    inOne.push(await takeCalmSample(calm));
  }

  report(
    'spares',
    environment,
    options.json,
    [
      {
        title: `${concurrency} at once, of as many threads or of ${threads}`,
        rounds,
        servers: measured,
        claims: [
          claim('CPU: many / few', ratiosOf(measured, 'many', 'few', 'cpuUsPerRequest'), {
            atMost: mostOfFew,
          }),
          noise('CPU: few-2 / few', ratiosOf(measured, 'few-2', 'few', 'cpuUsPerRequest')),
        ],
      },
    ],
    [
      claim(
        `part of ${calm.requests} requests, ${calm['per-second']} a second, that one of ${threads} workers ran`,
        inOne,
        { atLeast: leastInOne },
      ),
    ],
  );
}

async function takeCalmSample(calm: Readonly<Record<string, number>>): Promise<number> {
  const child = await runToEnd(
    { name: 'calm requests', file: process.execPath, args: [program, ...toArguments(calm)] },
    calmTimeoutMs,
  );
  const result = child.lines.map(parseJsonLine).find((line) => line !== undefined);
  if (result === undefined) throw child.failure('printed no result');
  return numberIn(result, 'most') / numberIn(result, 'handled');
}
