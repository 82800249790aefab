/** Hints of a worker that is alone: first in, first out, however many, in whatever order of pushes and takes. */
import { describe, expect, it } from 'vitest';
import { OwnHints } from '../../src/reactor/own-hints.ts';
import { Random } from '../scenarios/support/random.ts';

describe('OwnHints', () => {
  it('gives 0 while it is empty', () => {
    const own = new OwnHints();
    expect(own.take()).toBe(0);
    own.push(7);
    expect([own.length, own.take(), own.take(), own.length]).toEqual([1, 7, 0, 0]);
  });

  it.each([1, 2, 8, 64])('is a queue, with room for %i at first', (capacity) => {
    const own = new OwnHints(capacity);
    const model: number[] = [];
    const random = new Random(capacity);
    let next = 1;
    for (let step = 0; step < 20_000; step++) {
      // Phases that fill it and phases that empty it: it grows while its first hint is anywhere.
      const filling = Math.floor(step / 500) % 2 === 0;
      if (random.below(10) < (filling ? 7 : 3)) {
        own.push(next);
        model.push(next++);
      } else {
        expect(own.take()).toBe(model.shift() ?? 0);
      }
      expect(own.length).toBe(model.length);
    }
  });
});
