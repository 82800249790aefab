/** The heap of the timekeeper, against a plain list. Scenario 53. */
import { expect, test } from 'vitest';
import { DueHeap } from '../../src/reactor/due-heap.ts';
import { Random } from '../scenarios/support/random.ts';

test('gives the earliest of what is in it, whatever was moved or taken out', () => {
  const random = new Random();
  for (const slots of [1, 2, 3, 10, 200]) {
    const heap = new DueHeap(slots);
    const list = new Map<number, number>();
    for (let round = 0; round < 3000; round++) {
      const slot = random.below(slots);
      if (random.below(3) === 0) {
        heap.delete(slot);
        list.delete(slot);
      } else {
        const moment = random.below(1000) / 4;
        heap.set(slot, moment);
        list.set(slot, moment);
      }
      expect(heap.size).toBe(list.size);
      expect(heap.earliest).toBe(Math.min(...list.values(), Number.POSITIVE_INFINITY));
      if (heap.first === undefined) expect(list.size).toBe(0);
      else expect(list.get(heap.first)).toBe(heap.earliest);
    }
    const drained: number[] = [];
    for (let slot = heap.first; slot !== undefined; slot = heap.first) {
      drained.push(heap.earliest);
      heap.delete(slot);
    }
    expect(drained).toEqual([...list.values()].toSorted((a, b) => a - b));
  }
});
