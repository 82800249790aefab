/**
 * The bounded set: never more members than the bound, whoever comes and goes, and a dead one can be taken out.
 * Scenario 65 for the count of runnable workers.
 */
import { describe, expect, test } from 'vitest';
import { BoundedSet, popcount } from '../../src/sync/bitset.ts';
import { AtomicsPort } from '../../src/sync/port.ts';
import { expectHolds } from '../explorer/explore.ts';
import { again, type VirtualThread } from '../explorer/program.ts';

const BITS = 0;

describe('popcount', () => {
  test('counts the bits of every pattern of 16, at both ends of the word', () => {
    for (let bits = 0; bits < 1 << 16; bits++) {
      const right = bits.toString(2).replaceAll('0', '').length;
      if (popcount(bits) !== right || popcount(bits << 16) !== right) expect.fail(`${bits}`);
    }
    expect(popcount(-1)).toBe(32);
    expect(popcount(1 << 31)).toBe(1);
  });
});

describe('a bounded set', () => {
  test('lets in as many as the bound, and one that is in again and again', () => {
    const set = new BoundedSet(new AtomicsPort(new Int32Array(new SharedArrayBuffer(4))), BITS);
    expect(set.enter(31, 2)).toBe(true);
    expect(set.enter(0, 2)).toBe(true);
    expect(set.enter(5, 2)).toBe(false);
    expect(set.enter(31, 2)).toBe(true);
    expect([set.size, set.bits]).toEqual([2, (1 << 31) | 1]);
    expect(set.leave(31)).toBe(true);
    expect(set.leave(31)).toBe(false);
    expect(set.enter(5, 2)).toBe(true);
    expect(set.enter(6, 32)).toBe(true);
  });

  test('never holds more than the bound under all schedules, also when a member vanishes', () => {
    const bound = 2;
    const users = [0, 1, 2].map((member): VirtualThread => ({
      name: `member ${member}`,
      mortal: true,
      body: (port, self) => {
        const set = new BoundedSet(port, BITS);
        if (set.enter(member, bound)) self.check(set.leave(member), 'somebody else took this member out');
        return self.round < 1 ? again(self.round + 1) : undefined;
      },
    }));
    const reapers = users.map((user, member): VirtualThread => ({
      name: `reaper of ${user.name}`,
      reaps: user.name,
      body: (port) => void new BoundedSet(port, BITS).leave(member),
    }));
    expectHolds({
      threads: [...users, ...reapers],
      vanishings: 1,
      preemptions: 3,
      invariant: (view) => {
        if (popcount(view.word(BITS)) > bound) throw new Error('more members than the bound');
      },
      end: (view) => expect(view.word(BITS)).toBe(0),
    });
  });
});
