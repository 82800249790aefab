/** What the reactor asks of a kind of source: raw descriptors, connections, listeners. */
export interface Source {
  /**
   * Runs one turn of a slot that this worker has just claimed; `claimed` is the word as it was claimed (its ready bits
   * and flags are the turn's). The source ends the turn with `Strands.finish` or `Strands.end`, now or, if the
   * handler is async, later.
   */
  turn(index: number, claimed: number): void;
}
