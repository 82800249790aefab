import { type Summary, summarize } from './statistics.ts';
import { formatTable } from './text-table.ts';

/** What the median of a claim's values must keep to. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** Something that a benchmark says of what it measured. */
export interface Claim {
  readonly what: string;
  /** One for each round, or each burst. */
  readonly values: readonly number[];
  readonly meaning: 'target' | 'noise' | 'information';
  /** If the meaning is that. */
  readonly target?: Target;
  /** Behind the point, when it is printed. */
  readonly digits?: number;
}

export interface Verdict extends Claim, Summary {
  readonly verdict?: 'PASS' | 'MISS';
}

/** A claim with a target if one is given, else information. */
export function claim(what: string, values: readonly number[], target?: Target): Claim {
  return target === undefined
    ? { what, values, meaning: 'information' }
    : { what, values, meaning: 'target', target };
}

/** What differs although it is the same twice: how far the others can be trusted. */
export function noise(what: string, values: readonly number[]): Claim {
  return { what, values, meaning: 'noise' };
}

/** Compares medians with targets. */
export function judge(claims: readonly Claim[]): Verdict[] {
  return claims.map((one) => {
    const summary = summarize(one.values);
    if (one.target === undefined) return { ...one, ...summary };
    return { ...one, ...summary, verdict: meets(summary.median, one.target) ? 'PASS' : 'MISS' };
  });
}

function meets(value: number, target: Target): boolean {
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

export function formatVerdicts(title: string, verdicts: readonly Verdict[]): string {
  return formatTable(
    [title, 'median', 'least', 'most', 'target', ''],
    verdicts.map(({ what, median, least, most, target, digits = 3, meaning, verdict }) => [
      what,
      ...[median, least, most].map((value) => value.toFixed(digits)),
      target === undefined ? '' : formatTarget(target),
      verdict ?? (meaning === 'noise' ? 'noise' : ''),
    ]),
  );
}

function formatTarget(target: Target): string {
  return 'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`;
}
