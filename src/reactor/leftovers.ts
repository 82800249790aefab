/**
 * Events of registrations that have ended. One may come late: it was in a batch when its file was closed. When they go on
 * coming, the file lives on under another number, or in another process, and reports itself for ever.
 */
/** Those that have been silent for longest are forgotten. */
const MOST = 4096;
/** So many, over so long, are no coincidence: between the end of a generation and the close of its number there may be some. */
const EVENTS = 3;
const LONG_MS = 100;
const GENERATIONS = 2 ** 32;

type Leftover = { readonly since: number; readonly events: number };

/** Of one poller. */
export class Leftovers {
  /** By slot and generation; who was heard of last is last. */
  readonly #seen = new Map<number, Leftover>();

  /** Counts an event of a generation that is over. True if they go on coming; then it begins anew. */
  note(index: number, generation: number, now: number): boolean {
    const key = index * GENERATIONS + (generation >>> 0);
    const { since, events } = this.#seen.get(key) ?? { since: now, events: 0 };
    this.#seen.delete(key);
    if (events + 1 >= EVENTS && now - since >= LONG_MS) return true;
    this.#seen.set(key, { since, events: events + 1 });
    if (this.#seen.size > MOST) this.#seen.delete(this.#seen.keys().next().value ?? 0);
    return false;
  }
}
