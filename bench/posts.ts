import { join } from 'node:path';

import { describeEnvironment } from './environment.ts';
import { numberIn, parseJsonLine } from './json-line.ts';
import { listOf, readOptions, toArguments, UsageError, usageOf, wholeNumber } from './options.ts';
import { packageRoot } from './package-root.ts';
import { formatPostsReport, judgePosts, type MeasuredWay, type PostSample } from './posts-report.ts';
import { runToEnd } from './process.ts';
import type { Scenario } from './scenario.ts';
import { rotated } from './statistics.ts';

const defaults = {
  rounds: '7',
  messages: '500000',
  warmup: '500000',
  bursts: '50',
  burst: '1024',
  workers: '2',
  ways: 'message,add,count,item',
  from: 'main,worker,bursts',
};

const program: string = join(packageRoot, 'dist', 'bench', 'posts', 'program.js');
const sampleTimeoutMs = 180_000;
const knownWays: readonly string[] = defaults.ways.split(',');
const knownFrom: readonly string[] = defaults.from.split(',');

/** Units of work handed to another thread: user events and items of a pool, against postMessage. */
export const posts: Scenario = {
  name: 'posts',
  summary: 'user event posts and items per second against postMessage; wake-ups per post in bursts',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = wholeNumber('rounds', options.rounds, 1, 1000);
  const messages = wholeNumber('messages', options.messages, 1, 8_000_000);
  const warmup = wholeNumber('warmup', options.warmup, 1, 8_000_000);
  const burst = wholeNumber('burst', options.burst, 1, 1_000_000);
  const bursts = wholeNumber('bursts', options.bursts, 1, 10_000);
  const workers = wholeNumber('workers', options.workers, 2, 32);
  const ways = listOf('ways', options.ways, (word) => oneOf('ways', word, knownWays));
  const from = listOf('from', options.from, (word) => oneOf('from', word, knownFrom));

  const environment = describeEnvironment();
  const measured: MeasuredWay[] = from.flatMap((poster) =>
    ways
      // postMessage wakes nobody whom a pool counts.
      .filter((way) => poster !== 'bursts' || way !== 'message')
      .map((way) => ({ way, from: poster, samples: [] })),
  );
  for (let round = 0; round < rounds; round++) {
    console.error(`round ${round + 1} of ${rounds}`);
    for (const { way, from: poster, samples } of rotated(measured, round)) {
      samples.push(
        await takeSample(
          poster === 'bursts'
            ? { way, from: 'main', workers, warmup, messages: bursts * burst, burst }
            : // The thread that posts has a CPU of its own: of the workers one is left, or all but the poster.
              { way, from: poster, workers: poster === 'main' ? workers - 1 : workers, warmup, messages },
        ),
      );
    }
  }

  const setting = { rounds, messages, warmup, burst, bursts, workers };
  if (options.json)
    console.log(
      JSON.stringify({
        scenario: 'posts',
        environment,
        ...setting,
        results: measured,
        verdicts: judgePosts(measured),
      }),
    );
  else console.log(formatPostsReport(environment, setting, measured));
}

async function takeSample(args: Readonly<Record<string, string | number>>): Promise<PostSample> {
  const child = await runToEnd(
    {
      name: `posts ${args['way']} from ${args['from']}`,
      file: process.execPath,
      args: [program, ...toArguments(args)],
    },
    sampleTimeoutMs,
  );
  const result = child.lines.map(parseJsonLine).find((line) => line !== undefined);
  if (result === undefined) throw child.failure('printed no result');
  const count = numberIn(result, 'messages');
  return {
    perSecond: count / numberIn(result, 'seconds'),
    wakesPerPost: numberIn(result, 'wakes') / count,
    pollsPerPost: numberIn(result, 'polls') / count,
    callsPerPost: numberIn(result, 'handled') / count,
  };
}

function oneOf(option: string, word: string, known: readonly string[]): string {
  if (known.includes(word)) return word;
  throw new UsageError(`--${option} takes some of ${known.join(', ')}, got '${word}'`);
}
