import { type Claim, claim, judge, noise, type Target, type Verdict, formatVerdicts } from './claims.ts';
import { type Environment, formatEnvironment } from './environment.ts';
import { formatRounds, formatServers, type MeasuredServer, ratiosBetween, type Rounds } from './rounds.ts';

/** All rounds with one number of workers. */
export interface Measured {
  readonly workers: number;
  readonly servers: readonly MeasuredServer[];
}

/** CPU time per request of one server over another's. */
const comparisons: ReadonlyArray<{
  readonly of: string;
  readonly to: string;
  readonly target?: Target;
  readonly noise?: true;
}> = [
  { of: 'wakeone', to: 'c-edge', target: { atMost: 1.25 } },
  { of: 'wakeone', to: 'c-oneshot', target: { atMost: 1.05 } },
  { of: 'wakeone', to: 'node-net', target: { atMost: 0.85 } },
  { of: 'wakeone', to: 'c-oneshot-batch' },
  { of: 'wakeone', to: 'node-cluster' },
  { of: 'node-net', to: 'c-edge' },
  { of: 'c-edge-2', to: 'c-edge', noise: true },
];

/** The ratios between the servers that took part. */
export function judgeEcho({ servers }: Measured): Verdict[] {
  const claims: Claim[] = [];
  for (const { of, to, target, noise: same } of comparisons) {
    const values = ratiosBetween(servers, of, to, 'cpuUsPerRequest');
    const what = `${of} / ${to}`;
    if (values !== undefined) claims.push(same ? noise(what, values) : claim(what, values, target));
  }
  return judge(claims);
}

export function formatEchoReport(
  environment: Environment,
  rounds: Rounds,
  measured: readonly Measured[],
): string {
  return [`${formatEnvironment(environment)}\n${formatRounds(rounds)}`, ...measured.map(formatMeasured)].join(
    '\n\n',
  );
}

function formatMeasured(measured: Measured): string {
  const title = `== workers: ${measured.workers}\n${formatServers(measured.servers)}`;
  const verdicts = judgeEcho(measured);
  if (verdicts.length === 0) return title;
  return `${title}\n\n${formatVerdicts('CPU per request, ratio per burst', verdicts)}`;
}
