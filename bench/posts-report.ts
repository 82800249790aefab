import { type Claim, claim, formatVerdicts, judge, type Verdict } from './claims.ts';
import { type Environment, formatEnvironment } from './environment.ts';
import { ratios, summarize } from './statistics.ts';
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

const baseline = 'message';
/**
 * At least so many times as many as messages: posts to a user event, from the main thread. An item is more than a post: a
 * strand of its own, with a slot that is registered and freed.
 */
const leastRatio = 20;
const posted: readonly string[] = ['add', 'count'];
/** At most so many wake-ups, in bursts. */
const mostWakes = 0.02;

/** What there is to compare: rates with postMessage's of the same poster, wake-ups with posts. */
export function judgePosts(measured: readonly MeasuredWay[]): Verdict[] {
  return judge(
    measured.flatMap((one): Claim[] => {
      const { way, from, samples } = one;
      if (from === 'bursts') {
        // A poller that is woken counts as a poll: the sum is the most that were woken.
        const wakes = samples.map(({ wakesPerPost, pollsPerPost }) => wakesPerPost + pollsPerPost);
        return [{ ...claim(`${way} in bursts: wake-ups per post`, wakes, { atMost: mostWakes }), digits: 4 }];
      }
      const other = measured.find((candidate) => candidate.from === from && candidate.way === baseline);
      if (other === undefined || other === one) return [];
      const rates = (of: MeasuredWay): number[] => of.samples.map((sample) => sample.perSecond);
      const what = `${way} from ${from}: times postMessage`;
      const target = from === 'main' && posted.includes(way) ? { atLeast: leastRatio } : undefined;
      return [{ ...claim(what, ratios(rates(one), rates(other)), target), digits: 2 }];
    }),
  );
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
  const compared = formatVerdicts('compared, per round', judgePosts(measured));
  const line = Object.entries(setting)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  return `${formatEnvironment(environment)}\nposts    ${line}\n\n${rates}\n\n${compared}`;
}
