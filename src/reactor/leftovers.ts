/**
 * Events of registrations that have ended. One may come late: it was in a batch when its file was closed. When they go on
 * coming, the file lives on under another number, or in another process, and reports itself for ever.
 */
const MOST = 64;
/** So many, over so long, are no coincidence: between the end of a generation and the close of its number there may be some. */
const EVENTS = 3;
const LONG_MS = 100;

type Leftover = { readonly generation: number; readonly since: number; events: number };

/** Of one poller. */
export class Leftovers {
  readonly #seen = new Map<number, Leftover>();

  /** Counts an event of a generation that is over. True if they go on coming; then it begins anew. */
  note(index: number, generation: number, now: number): boolean {
    const seen = this.#seen.get(index);
    if (seen?.generation !== generation) {
      if (this.#seen.size >= MOST) this.#seen.clear();
      this.#seen.set(index, { generation, since: now, events: 1 });
      return false;
    }
    seen.events++;
    if (seen.events < EVENTS || now - seen.since < LONG_MS) return false;
    this.#seen.delete(index);
    return true;
  }
}
