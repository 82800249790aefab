/** The states that were seen, exactly: a hash table of rows of words. Nothing is ever left out because of a collision. */
export class StateTable {
  #width: number;
  #rows: Int32Array;
  /** Fewest preemptions with which the row was reached. */
  #fewest: Uint8Array;
  /** Row + 1, 0 for free. */
  #index: Int32Array;
  #size = 0;

  constructor(width = 32) {
    this.#width = width;
    this.#rows = new Int32Array(1024 * width);
    this.#fewest = new Uint8Array(1024);
    this.#index = new Int32Array(4096);
  }

  get size(): number {
    return this.#size;
  }

  /** Words that the rows take, the free ones too. */
  get words(): number {
    return this.#rows.length;
  }

  /** Whether the state is new, or was only reached with more preemptions so far. A shorter row ends in zeros. */
  isNews(key: Int32Array, preemptions: number): boolean {
    if (key.length > this.#width) this.#widen(key.length * 2);
    const mask = this.#index.length - 1;
    let at = hash(key, 0, this.#width) & mask;
    for (;;) {
      const row = (this.#index[at] ?? 0) - 1;
      if (row < 0) break;
      if (this.#equals(row, key)) {
        if ((this.#fewest[row] ?? 0) <= preemptions) return false;
        this.#fewest[row] = preemptions;
        return true;
      }
      at = (at + 1) & mask;
    }
    this.#append(key, preemptions);
    this.#index[at] = this.#size;
    if (this.#size * 2 > this.#index.length) this.#reindex(this.#index.length * 4);
    return true;
  }

  #append(key: Int32Array, preemptions: number): void {
    if (this.#size === this.#fewest.length) {
      const rows = new Int32Array(this.#rows.length * 2);
      rows.set(this.#rows);
      this.#rows = rows;
      const fewest = new Uint8Array(this.#fewest.length * 2);
      fewest.set(this.#fewest);
      this.#fewest = fewest;
    }
    const base = this.#size * this.#width;
    for (let i = 0; i < this.#width; i++) this.#rows[base + i] = key[i] ?? 0;
    this.#fewest[this.#size] = Math.min(preemptions, 255);
    this.#size++;
  }

  #equals(row: number, key: Int32Array): boolean {
    const base = row * this.#width;
    for (let i = 0; i < this.#width; i++) if (this.#rows[base + i] !== (key[i] ?? 0)) return false;
    return true;
  }

  #widen(width: number): void {
    const rows = new Int32Array(this.#fewest.length * width);
    for (let row = 0; row < this.#size; row++) {
      const from = row * this.#width;
      rows.set(this.#rows.subarray(from, from + this.#width), row * width);
    }
    this.#rows = rows;
    this.#width = width;
    this.#reindex(this.#index.length);
  }

  #reindex(length: number): void {
    const mask = length - 1;
    this.#index = new Int32Array(length);
    for (let row = 0; row < this.#size; row++) {
      let at = hash(this.#rows, row * this.#width, this.#width) & mask;
      while (this.#index[at] !== 0) at = (at + 1) & mask;
      this.#index[at] = row + 1;
    }
  }
}

function hash(words: Int32Array, from: number, length: number): number {
  let h = 0x2545f491;
  for (let i = 0; i < length; i++) {
    h = Math.imul(h ^ (words[from + i] ?? 0), 0x5bd1e995);
    h ^= h >>> 15;
  }
  return h >>> 0;
}
