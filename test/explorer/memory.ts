/**
 * The words of a program, renumbered in the order of first use, so that a layout of many thousand words costs only
 * those that are touched. Every change can be undone.
 */
export class Memory {
  readonly #cellByIndex = new Map<number, number>();
  readonly #indexByCell: number[] = [];
  #values = new Int32Array(32);
  /** Cell and old value of each change, in pairs. */
  readonly #undo: number[] = [];

  get size(): number {
    return this.#indexByCell.length;
  }

  /** A word that was never used holds 0. */
  cellOf(at: number): number {
    const known = this.#cellByIndex.get(at);
    if (known !== undefined) return known;
    const cell = this.#indexByCell.length;
    this.#cellByIndex.set(at, cell);
    this.#indexByCell.push(at);
    if (cell === this.#values.length) {
      const values = new Int32Array(cell * 2);
      values.set(this.#values);
      this.#values = values;
    }
    return cell;
  }

  read(cell: number): number {
    return this.#values[cell] ?? 0;
  }

  write(cell: number, value: number): void {
    this.#undo.push(cell, this.read(cell));
    this.#values[cell] = value;
  }

  get mark(): number {
    return this.#undo.length;
  }

  undoTo(mark: number): void {
    while (this.#undo.length > mark) {
      const value = this.#undo.pop() ?? 0;
      const cell = this.#undo.pop() ?? 0;
      this.#values[cell] = value;
    }
  }

  copyTo(target: Int32Array, offset: number): void {
    for (let cell = 0; cell < this.size; cell++) target[offset + cell] = this.read(cell);
  }

  word(at: number): number {
    const cell = this.#cellByIndex.get(at);
    return cell === undefined ? 0 : this.read(cell);
  }

  copy(): Memory {
    const copy = new Memory();
    for (let cell = 0; cell < this.size; cell++) {
      copy.cellOf(this.#indexByCell[cell] ?? 0);
      copy.write(cell, this.read(cell));
    }
    return copy;
  }
}
