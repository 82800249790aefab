/** Hints that one thread pushes and takes: first in, first out, as many as there are. */
const FIRST_CAPACITY = 1024;

export class OwnHints {
  #cells: Int32Array;
  #head = 0;
  #tail = 0;

  /** `capacity`, a power of two, is what there is room for at first. */
  constructor(capacity: number = FIRST_CAPACITY) {
    this.#cells = new Int32Array(capacity);
  }

  get length(): number {
    return (this.#tail - this.#head) | 0;
  }

  /** All of them, the next one first. */
  get all(): number[] {
    const mask = this.#cells.length - 1;
    return Array.from({ length: this.length }, (_, i) => this.#cells[(this.#head + i) & mask] ?? 0);
  }

  push(hint: number): void {
    if (this.length === this.#cells.length) this.#grow();
    this.#cells[this.#tail & (this.#cells.length - 1)] = hint;
    this.#tail = (this.#tail + 1) | 0;
  }

  /** The next hint, 0 for none. */
  take(): number {
    if (this.#head === this.#tail) return 0;
    const hint = this.#cells[this.#head & (this.#cells.length - 1)] ?? 0;
    this.#head = (this.#head + 1) | 0;
    return hint;
  }

  #grow(): void {
    const before = this.#cells;
    const length = before.length;
    this.#cells = new Int32Array(length * 2);
    for (let i = 0; i < length; i++) this.#cells[i] = before[(this.#head + i) & (length - 1)] ?? 0;
    this.#head = 0;
    this.#tail = length;
  }
}
