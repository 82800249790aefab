/** A benchmark that `run.js <name>` starts. It resolves when everything ran, whatever the figures say. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Its options, one a line, for `--help`. */
  readonly usage: string;
  run(args: readonly string[]): Promise<void>;
}
