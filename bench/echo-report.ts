import { type Environment, formatEnvironment } from './environment.ts';
import type { RequestLoad } from './load.ts';
import { ratios, type Summary, summarize } from './statistics.ts';
import { formatTable } from './text-table.ts';

/** One server, one round. */
export interface Sample {
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  /** The part of its CPU time that is not the kernel's, from 10 ms ticks, warm-up included. */
  readonly userShare: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
}

/** All rounds with one number of workers; the samples of the servers are in the order of the rounds. */
export interface Measured {
  readonly workers: number;
  readonly servers: ReadonlyArray<{
    readonly name: string;
    readonly description: string;
    readonly samples: readonly Sample[];
  }>;
}

/** CPU time per request of one server over another's, round by round. */
export interface Ratio extends Summary {
  readonly of: string;
  readonly to: string;
  readonly meaning: 'target' | 'noise' | 'information';
  /** With a target: the most that the median may be, and whether it is. */
  readonly limit?: number;
  readonly verdict?: 'PASS' | 'MISS';
}

const comparisons: ReadonlyArray<Pick<Ratio, 'of' | 'to' | 'meaning' | 'limit'>> = [
  { of: 'wakeone', to: 'c-edge', meaning: 'target', limit: 1.25 },
  { of: 'wakeone', to: 'c-oneshot', meaning: 'target', limit: 1.05 },
  { of: 'wakeone', to: 'node-net', meaning: 'target', limit: 0.85 },
  { of: 'wakeone', to: 'c-oneshot-batch', meaning: 'information' },
  { of: 'wakeone', to: 'node-cluster', meaning: 'information' },
  { of: 'node-net', to: 'c-edge', meaning: 'information' },
  { of: 'c-edge-2', to: 'c-edge', meaning: 'noise' },
];

/** The ratios between the servers that took part. */
export function judge(measured: Measured): { readonly ratios: readonly Ratio[] } {
  const cpu = new Map(
    measured.servers.map(({ name, samples }) => [name, samples.map((sample) => sample.cpuUsPerRequest)]),
  );
  const found: Ratio[] = [];
  for (const comparison of comparisons) {
    const of = cpu.get(comparison.of);
    const to = cpu.get(comparison.to);
    if (of === undefined || to === undefined) continue;
    const summary = summarize(ratios(of, to));
    const { limit } = comparison;
    if (limit === undefined) found.push({ ...comparison, ...summary });
    else found.push({ ...comparison, ...summary, limit, verdict: summary.median <= limit ? 'PASS' : 'MISS' });
  }
  return { ratios: found };
}

export function formatEchoReport(
  environment: Environment,
  rounds: number,
  load: RequestLoad,
  measured: readonly Measured[],
): string {
  const { connections, depth, size, requests, warmup } = load;
  const setting =
    `load     ${connections} connections, ${depth} outstanding each, ${size} bytes, ` +
    `${requests} requests after ${warmup}, ${rounds} rounds`;
  return [`${formatEnvironment(environment)}\n${setting}`, ...measured.map(formatMeasured)].join('\n\n');
}

function formatMeasured(measured: Measured): string {
  const middle = (samples: readonly Sample[], key: keyof Sample): number =>
    summarize(samples.map((sample) => sample[key])).median;
  const servers = formatTable(
    [
      'server (medians)',
      'CPU us/request',
      'user',
      'requests/s',
      'p50 us',
      'p99 us',
      'p99.9 us',
      'what it is',
    ],
    measured.servers.map(({ name, description, samples }) => [
      name,
      middle(samples, 'cpuUsPerRequest').toFixed(2),
      `${(middle(samples, 'userShare') * 100).toFixed(0)} %`,
      middle(samples, 'requestsPerSecond').toFixed(0),
      middle(samples, 'p50us').toFixed(0),
      middle(samples, 'p99us').toFixed(0),
      middle(samples, 'p999us').toFixed(0),
      description,
    ]),
  );
  const found = judge(measured).ratios;
  const compared = formatTable(
    ['CPU per request, ratio per round', 'median', 'least', 'most', 'at most', ''],
    found.map((ratio) => [
      `${ratio.of} / ${ratio.to}`,
      ratio.median.toFixed(3),
      ratio.least.toFixed(3),
      ratio.most.toFixed(3),
      ratio.limit?.toFixed(2) ?? '',
      ratio.verdict ?? (ratio.meaning === 'noise' ? 'noise' : ''),
    ]),
  );
  const title = `== workers: ${measured.workers}`;
  return found.length === 0 ? `${title}\n${servers}` : `${title}\n${servers}\n\n${compared}`;
}
