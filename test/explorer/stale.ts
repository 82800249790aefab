/**
 * What a plain read (`peek`) may see. It is "as fresh as any read of this one word, but not ordered with other words",
 * so it may return a value that the word had earlier. How much earlier is what arm64 allows (x86-64 allows nothing):
 *
 * - An ordered load acquires: a later plain read is not made before it.
 * - An atomic change of a word acquires when it reads the word, and is seen by others later. A plain read may come
 *   between the two: after the last change of that word by another thread, and after the thread's ordered operation
 *   before this one.
 * - A store acquires nothing: a later plain read may be made before it.
 * - Plain reads of one word never go back in time. Of different words they are made in any order, unless the address of
 *   the second comes from the value of the first: a program whose plain reads are all of that kind is `chained`.
 */

type OldValue = {
  readonly cell: number;
  readonly value: number;
  /** Whether the thread has made an ordered operation since the word had the value. */
  readonly isPast: boolean;
  /** Whether the thread has seen a later value of the word: only an atomic change of it needs this one still. */
  readonly isSeen: boolean;
};

/** The old values that a thread may still see, in the order in which the words had them. */
export type OldValues = readonly OldValue[];
export const NONE: OldValues = [];

/** The pasts of all threads, after `writer` has changed a word that had `value`. */
export function afterChange(
  pasts: readonly OldValues[],
  writer: number,
  cell: number,
  value: number,
): readonly OldValues[] {
  return pasts.map((old, thread) =>
    thread === writer ? old : [...old, { cell, value, isPast: false, isSeen: false }],
  );
}

/** The past of a thread after a store of its own. */
export function afterStore(old: OldValues, cell: number): OldValues {
  return old.filter((entry) => entry.cell !== cell).map((entry) => ({ ...entry, isPast: true }));
}

/** The past of a thread after an atomic change that it made to a word. */
export function afterExchange(old: OldValues, cell: number): OldValues {
  const acquired = old.findLastIndex((entry) => entry.cell === cell);
  return old.filter((entry, i) => i > acquired && !entry.isPast).map((entry) => ({ ...entry, isPast: true }));
}

/** The past of a thread after a plain read of `cell` that returned `seen`, undefined for the present value. */
export function afterPeek(
  old: OldValues,
  cell: number,
  seen: OldValue | undefined,
  chained: boolean,
): OldValues {
  const from = seen === undefined ? old.length : old.indexOf(seen);
  return old
    .filter((_, i) => i >= from || !chained)
    .map((entry, i) => (!chained && i < from && entry.cell === cell ? { ...entry, isSeen: true } : entry));
}

/** The old values of `cell` that a plain read may return, instead of the present one. */
export function visibleTo(old: OldValues, cell: number): OldValues {
  return old.filter((entry) => entry.cell === cell && !entry.isSeen);
}

/** Numbers for pasts, so that they fit into a state. */
export class PastNumbers {
  readonly #numbers = new Map<string, number>();

  of(pasts: readonly OldValues[]): number {
    const key = pasts
      .map((old) =>
        old.map(({ cell, value, isPast, isSeen }) => `${cell}:${value}:${isPast}:${isSeen}`).join(),
      )
      .join(' ');
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(key, number);
    }
    return number;
  }
}
