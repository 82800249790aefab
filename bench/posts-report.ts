import { type Environment, formatEnvironment } from './environment.ts';
import { ratios, type Summary, summarize } from './statistics.ts';
import { formatTable } from './text-table.ts';

/** One way, one round. */
export interface PostSample {
  readonly perSecond: number;
  /** Parked workers that were woken. */
  readonly wakesPerPost: number;
  /** Calls of epoll_wait, among them all that a post has ended. */
  readonly pollsPerPost: number;
  readonly callsPerPost: number;
}

/** All rounds of one way; the samples are in the order of the rounds. */
export interface MeasuredWay {
  readonly way: string;
  readonly from: string;
  readonly samples: PostSample[];
}

export interface PostVerdict extends Summary {
  readonly way: string;
  readonly from: string;
  readonly what: 'times postMessage' | 'wake-ups per post';
  readonly limit?: number;
  readonly verdict?: 'PASS' | 'MISS';
}

const baseline = 'message';
/** At least so many times as many as messages, from the main thread. */
const leastRatio = 20;
/** At most so many wake-ups, in bursts. */
const mostWakes = 0.02;

/** What there is to compare: rates with postMessage's of the same poster, wake-ups with posts. */
export function judgePosts(measured: readonly MeasuredWay[]): readonly PostVerdict[] {
  return measured.flatMap((one): PostVerdict[] => {
    const { way, from, samples } = one;
    if (from === 'bursts') {
      // A poller that is woken counts as a poll: the sum is the most that were woken.
      const wakes = summarize(samples.map(({ wakesPerPost, pollsPerPost }) => wakesPerPost + pollsPerPost));
      const verdict = wakes.median <= mostWakes ? 'PASS' : 'MISS';
      return [{ way, from, what: 'wake-ups per post', ...wakes, limit: mostWakes, verdict }];
    }
    const other = measured.find((candidate) => candidate.from === from && candidate.way === baseline);
    if (other === undefined || other === one) return [];
    const rates = (of: MeasuredWay): number[] => of.samples.map((sample) => sample.perSecond);
    const times = summarize(ratios(rates(one), rates(other)));
    if (from !== 'main') return [{ way, from, what: 'times postMessage', ...times }];
    const verdict = times.median >= leastRatio ? 'PASS' : 'MISS';
    return [{ way, from, what: 'times postMessage', ...times, limit: leastRatio, verdict }];
  });
}

export function formatPostsReport(
  environment: Environment,
  setting: Readonly<Record<string, number>>,
  measured: readonly MeasuredWay[],
): string {
  const middle = ({ samples }: MeasuredWay, key: keyof PostSample): number =>
    summarize(samples.map((sample) => sample[key])).median;
  const rates = formatTable(
    ['way (medians)', 'from', 'posts/s', 'ns/post', 'calls/post', 'wakes/post', 'polls/post'],
    measured.map((one) => [
      one.way,
      one.from,
      middle(one, 'perSecond').toFixed(0),
      (1e9 / middle(one, 'perSecond')).toFixed(0),
      ...(one.way === baseline
        ? ['', '', '']
        : (['callsPerPost', 'wakesPerPost', 'pollsPerPost'] as const).map((key) =>
            middle(one, key).toFixed(4),
          )),
    ]),
  );
  const compared = formatTable(
    ['compared, per round', 'from', 'median', 'least', 'most', 'target', ''],
    judgePosts(measured).map(({ way, from, what, median, least, most, limit, verdict }) => {
      const digits = from === 'bursts' ? 4 : 2;
      return [
        `${way}: ${what}`,
        from,
        ...[median, least, most].map((value) => value.toFixed(digits)),
        limit === undefined ? '' : `${from === 'bursts' ? 'at most' : 'at least'} ${limit}`,
        verdict ?? '',
      ];
    }),
  );
  const line = Object.entries(setting)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  return `${formatEnvironment(environment)}\nposts    ${line}\n\n${rates}\n\n${compared}`;
}
