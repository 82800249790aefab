/** A heap of slots by the moment at which they are to be looked at; each slot is in it at most once, so it is bounded. */
export class DueHeap {
  readonly #moments: Float64Array;
  /** Slots, the earliest first; and where each is in it, plus one (0: nowhere). */
  readonly #slots: Int32Array;
  readonly #places: Int32Array;
  #size = 0;

  constructor(slotCount: number) {
    this.#moments = new Float64Array(slotCount);
    this.#slots = new Int32Array(slotCount);
    this.#places = new Int32Array(slotCount);
  }

  get size(): number {
    return this.#size;
  }

  /** The earliest slot; undefined if there is none. */
  get first(): number | undefined {
    return this.#size === 0 ? undefined : this.#slots[0];
  }

  /** The moment of the earliest slot, Infinity if there is none. */
  get earliest(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#momentOf(this.#at(0));
  }

  /** Puts a slot in, or moves it. */
  set(slot: number, moment: number): void {
    let place = (this.#places[slot] ?? 0) - 1;
    if (place < 0) place = this.#size++;
    this.#moments[slot] = moment;
    this.#settle(slot, place);
  }

  /** Takes a slot out, if it is in. */
  delete(slot: number): void {
    const place = (this.#places[slot] ?? 0) - 1;
    if (place < 0) return;
    this.#places[slot] = 0;
    const last = this.#at(--this.#size);
    if (last !== slot) this.#settle(last, place);
  }

  /** Puts `slot` where it belongs, `place` being free. */
  #settle(slot: number, from: number): void {
    const moment = this.#momentOf(slot);
    let place = from;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      const other = this.#at(above);
      if (this.#momentOf(other) <= moment) break;
      this.#put(other, place);
      place = above;
    }
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#size) break;
      if (below + 1 < this.#size && this.#momentOf(this.#at(below + 1)) < this.#momentOf(this.#at(below)))
        below++;
      const other = this.#at(below);
      if (this.#momentOf(other) >= moment) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#slots[place] = slot;
    this.#places[slot] = place + 1;
  }

  #at(place: number): number {
    return this.#slots[place] ?? 0;
  }

  #momentOf(slot: number): number {
    return this.#moments[slot] ?? 0;
  }
}
