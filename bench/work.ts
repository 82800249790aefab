import { claim, noise } from './claims.ts';
import { contenderNamed, poolContender } from './contenders.ts';
import { describeEnvironment } from './environment.ts';
import { buildPrograms } from './native-build.ts';
import { readOptions, usageOf, wholeNumber } from './options.ts';
import { report } from './report.ts';
import { candidateOf, measureRounds, ratiosOf, readRounds } from './rounds.ts';
import type { Scenario } from './scenario.ts';
import { stepsPerMs } from './servers/work.ts';
import { ratios } from './statistics.ts';

const defaults = {
  rounds: '7',
  requests: '1500',
  warmup: '300',
  connections: '64',
  size: '64',
  'work-ms': '1',
};

/** The second worker gives at least so much of what it gives in C. */
const leastOfC = 0.95;

const servers = [poolContender('wakeone'), contenderNamed('c-oneshot'), contenderNamed('c-oneshot-2')];
const withWorkers = (name: string, workers: number): string => `${name}, ${workers}`;

/** Requests that all need CPU: what the second worker gives. */
export const work: Scenario = {
  name: 'work',
  summary: 'gain from the second worker at 1 ms of CPU per request, against C',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const rounds = readRounds(options, 1);
  const workMs = wholeNumber('work-ms', options['work-ms'], 1, 1000);

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const workSteps = workMs * stepsPerMs();
  const candidates = servers.flatMap((server) =>
    [1, 2].map((workers) => ({
      ...candidateOf(server, programs, workers, workSteps),
      name: withWorkers(server.name, workers),
    })),
  );
  const measured = await measureRounds('work', programs, candidates, rounds);
  const gain = (name: string): number[] =>
    ratiosOf(measured, withWorkers(name, 2), withWorkers(name, 1), 'requestsPerSecond');
  report('work', environment, options.json, [
    {
      title: `work of ${workMs} ms (${workSteps} steps)`,
      rounds,
      servers: measured,
      claims: [
        claim('gain in requests/s from the second worker: wakeone', gain('wakeone')),
        claim('gain in requests/s from the second thread: c-oneshot', gain('c-oneshot')),
        claim('gain of wakeone / gain of c-oneshot', ratios(gain('wakeone'), gain('c-oneshot')), {
          atLeast: leastOfC,
        }),
        noise('gain of c-oneshot-2 / gain of c-oneshot', ratios(gain('c-oneshot-2'), gain('c-oneshot'))),
      ],
    },
  ]);
}
