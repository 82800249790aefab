/** When a worker lingers before it rests, and for how long. That nothing is lost by it is in presence.test.ts. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Linger } from '../../src/reactor/linger.ts';
import { Kind } from '../../src/slots/record.ts';

/** Microseconds that a look at the clock takes. */
const CLOCK_US = 1;

let us: number;
/** When work comes; for ever after that it is there. */
let comesAt: number;
let others: boolean;
let searches: boolean;
let looks: number;
let yields: number;
/** What others do with the CPU when they have it. */
let yieldUs: number;
let linger: Linger;

beforeEach(() => {
  us = 0;
  comesAt = Number.POSITIVE_INFINITY;
  others = false;
  searches = false;
  looks = 0;
  yields = 0;
  yieldUs = 0;
  linger = new Linger(
    {
      search: () => (searches = !others),
      finds: () => {
        looks++;
        return us >= comesAt;
      },
      stopSearching: () => {
        searches = false;
      },
    },
    () => {
      yields++;
      us += yieldUs;
    },
    () => (us += CLOCK_US) / 1000,
  );
});

/** Woken, a turn, and out of work again. Returns whether it found some by lingering. */
function round(woken = true, kind: Kind = Kind.EVENT): boolean {
  linger.noteRest(woken);
  linger.noteTurn(kind);
  return linger.linger(true);
}

describe('a worker that runs out of work', () => {
  test.each([Kind.EVENT, Kind.ITEM])(
    'lingers after what was posted, if it was woken for that (%i)',
    (kind) => {
      expect([round(true, kind), looks > 0, searches]).toEqual([false, true, false]);
    },
  );

  test.each([Kind.RAW, Kind.CONNECTION, Kind.LISTENER, Kind.TIMER, Kind.GROUP])(
    'does not even look at the clock after other work (%i)',
    (kind) => {
      expect([round(true, kind), us]).toEqual([false, 0]);
    },
  );

  test('does not when the kernel has ended its rest', () => {
    expect([round(false), us]).toEqual([false, 0]);
  });

  test('does not while another one searches', () => {
    others = true;
    expect([round(), us, searches]).toEqual([false, 0, false]);
  });

  test('does it once, until it has worked again', () => {
    comesAt = 0;
    expect([round(), linger.linger(true)]).toEqual([true, false]);
  });

  test('gives up after about 100 microseconds, with a few looks, and lets others run before each of them', () => {
    round();
    expect(us).toBeGreaterThan(80);
    expect(us).toBeLessThan(120);
    expect(looks).toBeGreaterThan(5);
    expect(looks).toBeLessThan(12);
    expect(yields).toBe(looks);
  });

  test('gives up after one yield that took longer than that', () => {
    yieldUs = 4000;
    round();
    expect([yields, looks]).toEqual([1, 1]);
  });

  test('does not yield while it keeps others from asking the kernel', () => {
    linger.noteRest(true);
    linger.noteTurn(Kind.EVENT);
    expect([linger.linger(false), yields, looks > 5]).toEqual([false, 0, true]);
  });

  test('searches until the work that it has found is taken, and lingers again after that', () => {
    comesAt = 20;
    expect([round(), searches]).toEqual([true, true]);
    linger.noteTurn(Kind.EVENT);
    comesAt = us + 20;
    expect(linger.linger(true)).toBe(true);
  });

  test('does so ever more rarely where nothing comes, and always again once something has', () => {
    const lingered = (): boolean => {
      const before = looks;
      round();
      return looks > before;
    };
    const rounds = Array.from({ length: 1000 }, lingered);
    const times = rounds.flatMap((did, at) => (did ? [at] : []));
    expect(times.slice(0, 8)).toEqual([0, 2, 6, 14, 30, 62, 126, 190]);
    comesAt = 0;
    while (!round());
    expect(round()).toBe(true);
    expect(round()).toBe(true);
  });
});
