import { type Claim, claim, noise } from './claims.ts';
import { poolContender } from './contenders.ts';
import { describeEnvironment } from './environment.ts';
import { buildPrograms, type Programs } from './native-build.ts';
import { listOf, readOptions, usageOf, wholeNumber } from './options.ts';
import { report, type Section } from './report.ts';
import {
  candidateOf,
  measureRounds,
  type MeasuredServer,
  ratiosOf,
  readRounds,
  type Rounds,
  type Sample,
} from './rounds.ts';
import type { Scenario } from './scenario.ts';
import { stepsPerMs } from './servers/work.ts';
import { WAKE_RULES } from '../src/options.ts';

const defaults = {
  rounds: '5',
  requests: '40000',
  warmup: '30000',
  'work-requests': '600',
  'work-warmup': '150',
  'work-ms': '1',
  connections: '64',
  size: '64',
  workers: '2,4',
};

const all = 'all';
const again = 'all-2';
const without = (rule: string): string => `no ${rule}`;

/** What each rule of waking gives: all of them on, against all but one. No targets. */
export const rules: Scenario = {
  name: 'rules',
  summary: 'CPU per request and p99 without each rule of waking, against all of them',
  usage: usageOf(defaults),
  run,
};

async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args, defaults);
  const echoes = readRounds(options);
  const works = readRounds(
    { ...options, requests: options['work-requests'], warmup: options['work-warmup'] },
    1,
  );
  const workMs = wholeNumber('work-ms', options['work-ms'], 1, 1000);
  const workerCounts = listOf('workers', options.workers, (word) => wholeNumber('workers', word, 2, 32));

  const environment = describeEnvironment();
  const programs = await buildPrograms();
  const workSteps = workMs * stepsPerMs();
  const sections: Section[] = [];
  for (const workers of workerCounts) {
    sections.push(await measure(`echo, workers ${workers}`, programs, workers, 0, echoes, 'p99us'));
    sections.push(
      await measure(
        `work of ${workMs} ms, workers ${workers}`,
        programs,
        workers,
        workSteps,
        works,
        'workP99us',
      ),
    );
  }
  report('rules', environment, options.json, sections);
}

async function measure(
  title: string,
  programs: Programs,
  workers: number,
  workSteps: number,
  rounds: Rounds,
  p99: 'p99us' | 'workP99us',
): Promise<Section> {
  const contenders = [
    poolContender(all),
    poolContender(again),
    ...WAKE_RULES.map((rule) => poolContender(without(rule), { rulesOff: rule })),
  ];
  const candidates = contenders.map((server) => candidateOf(server, programs, workers, workSteps));
  const servers = await measureRounds(title, programs, candidates, rounds);
  return {
    title,
    rounds,
    servers,
    claims: [...compare(servers, 'CPU', 'cpuUsPerRequest'), ...compare(servers, 'p99', p99)],
  };
}

function compare(servers: readonly MeasuredServer[], name: string, figure: keyof Sample): Claim[] {
  const against = (of: string): number[] => ratiosOf(servers, of, all, figure);
  return [
    ...WAKE_RULES.map((rule) => claim(`${name}: ${without(rule)} / ${all}`, against(without(rule)))),
    noise(`${name}: ${again} / ${all}`, against(again)),
  ];
}
