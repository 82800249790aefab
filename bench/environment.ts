import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release } from 'node:os';

import { packageRoot } from './package-root.ts';

/** Where figures come from: without it they mean nothing. */
export interface Environment {
  readonly date: string;
  readonly commit: string;
  readonly node: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly model: string;
  /** Of the minute before: what others did on the machine. */
  readonly loadAverage: number;
}

export function describeEnvironment(): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    commit: describeCommit(),
    node: process.version,
    kernel: release(),
    cpus: processors.length,
    model: processors[0]?.model ?? 'unknown',
    loadAverage: loadavg()[0] ?? 0,
  };
}

export function formatEnvironment(environment: Environment): string {
  const { date, commit, node, kernel, cpus: count, model, loadAverage } = environment;
  return [
    `date     ${date}`,
    `commit   ${commit}`,
    `node     ${node}`,
    `kernel   ${kernel}`,
    `machine  ${count} x ${model}, load average before ${loadAverage.toFixed(2)}`,
  ].join('\n');
}

function describeCommit(): string {
  try {
    const hash = git('rev-parse', '--short', 'HEAD');
    return git('status', '--porcelain') === '' ? hash : `${hash} with changes`;
  } catch {
    return 'none';
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, {
    cwd: packageRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
