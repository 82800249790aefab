/** The middle of a few samples, and how far they reach. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

/** Divides round by round: what slowed a whole round down does not reach the ratio. */
export function ratios(of: readonly number[], to: readonly number[]): number[] {
  return of.slice(0, to.length).map((value, round) => value / (to[round] ?? Number.NaN));
}

/** `items` beginning with the one at `start`, so that no one is always first or after the same neighbour. */
export function rotated<Item>(items: readonly Item[], start: number): Item[] {
  const from = start % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}
