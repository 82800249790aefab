/**
 * Whether what threads saw of a queue can be explained: is there an order of their operations, each between its
 * begin and its end, in which a plain bounded queue would have answered the same (linearizability)?
 */

export type QueueOperation = {
  readonly kind: 'push' | 'take' | 'isEmpty';
  /** The hint to push. */
  readonly hint: number;
  /** What came back: whether it was accepted (1, 0), the hint that was taken (0: none), whether it was empty. */
  readonly answer: number | undefined;
  /** Operations that had ended when this one began: it comes after those. */
  readonly begin: number;
  /** How manieth operation to end it was, undefined if its thread vanished in it: then it may have happened or not. */
  readonly end: number | undefined;
};

/** `rest` are the hints that are in the queue afterwards, in order. */
export function isExplained(
  operations: readonly QueueOperation[],
  capacity: number,
  rest: readonly number[],
): boolean {
  const pending = new Set(operations);
  const queue: number[] = [];

  const explained = (): boolean => {
    if ([...pending].every((operation) => operation.end === undefined) && equal(queue, rest)) return true;
    const candidates = [...pending];
    const firstEnd = Math.min(...candidates.map((operation) => operation.end ?? Number.POSITIVE_INFINITY));
    for (const operation of candidates) {
      // Another one that is still to be placed had ended before this one began.
      if (operation.begin > firstEnd) continue;
      pending.delete(operation);
      const undo = apply(operation, queue, capacity);
      if (undo !== undefined) {
        if (explained()) return true;
        undo();
      }
      pending.add(operation);
    }
    return false;
  };
  return explained();
}

/** Carries the operation out if a queue in this state would have answered so. Returns how to take that back. */
function apply(operation: QueueOperation, queue: number[], capacity: number): (() => void) | undefined {
  const { kind, hint, answer } = operation;
  const answersTo = (right: number): boolean => answer === undefined || answer === right;
  const first = queue[0];
  switch (kind) {
    case 'push':
      if (queue.length === capacity) return answersTo(0) ? () => undefined : undefined;
      if (!answersTo(1)) return undefined;
      queue.push(hint);
      return () => void queue.pop();
    case 'take':
      if (first === undefined) return answersTo(0) ? () => undefined : undefined;
      if (!answersTo(first)) return undefined;
      queue.shift();
      return () => void queue.unshift(first);
    case 'isEmpty':
      return answersTo(first === undefined ? 1 : 0) ? () => undefined : undefined;
  }
}

function equal(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}
