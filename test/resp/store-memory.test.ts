/** The store of the cache when its memory is full: what goes, what stays, and that all of it comes back. */
import { describe, expect, test } from 'vitest';
import { random, slice, World } from './store-world.ts';

const MB = 2 ** 20;

describe('full memory', () => {
  test('takes new keys for old ones, and never more than it has', () => {
    const world = new World(MB);
    const { totalBytes } = world.store.stats();
    let stored = 0;
    for (let i = 0; i < 20_000; i++) {
      if (world.set(`key${i}`, 'v'.repeat(50)) === 'stored') stored++;
      world.now += 16;
    }
    expect(stored).toBe(20_000);
    const { entries, usedBytes, evicted } = world.store.stats();
    expect(usedBytes).toBeLessThanOrEqual(totalBytes);
    expect(usedBytes).toBeGreaterThan(0.99 * totalBytes);
    expect(entries + evicted).toBe(20_000);
    // Of the newest quarter most are there, of the oldest half of what would fit twice over hardly any.
    const found = (from: number, to: number): number => {
      let count = 0;
      for (let i = from; i < to; i++) if (world.store.exists(slice(`key${i}`))) count++;
      return count / (to - from);
    };
    expect(found(20_000 - Math.floor(entries / 4), 20_000)).toBeGreaterThan(0.9);
    expect(found(0, 20_000 - 4 * entries)).toBeLessThan(0.05);
  });

  test('keeps what is used', () => {
    const world = new World(MB);
    for (let i = 0; i < 100; i++) world.set(`hot${i}`, 'v');
    for (let i = 0; i < 50_000; i++) {
      world.set(`cold${i}`, 'v'.repeat(i % 300));
      world.now += 1;
      if (i % 10 === 0) world.get(`hot${(i / 10) % 100}`);
    }
    let kept = 0;
    for (let i = 0; i < 100; i++) if (world.store.exists(slice(`hot${i}`))) kept++;
    expect(kept).toBeGreaterThan(75);
  });

  test('lets many small ones go for a big one, and big ones for a small one', () => {
    const world = new World(4 * MB);
    for (let i = 0; i < 20_000; i++) world.set(`small${i}`, 'v'.repeat(100));
    const before = world.store.size;
    expect(world.set('big', 'b'.repeat(MB))).toBe('stored');
    expect(world.get('big')).toBe('b'.repeat(MB));
    expect(before - world.store.size).toBeLessThan(6000);
    for (let i = 0; i < 10; i++) {
      world.now += 100;
      expect(world.set(`big${i}`, String(i).repeat(MB))).toBe('stored');
    }
    expect(world.get('big9')).toBe('9'.repeat(MB));
    for (let i = 0; i < 1000; i++) expect(world.set(`more${i}`, 'v'.repeat(1000))).toBe('stored');
    expect(world.get('more999')).toBe('v'.repeat(1000));
  });

  test('of few big ones the used ones stay', () => {
    const world = new World(16 * MB);
    let kept = 0;
    for (let round = 0; round < 10; round++) {
      world.store.flush();
      world.set('hot', 'h'.repeat(MB / 2));
      for (let i = 0; i < 60; i++) {
        world.now += 1000;
        world.set(`cold${i}`, 'c'.repeat(MB / 2));
        world.get('hot');
      }
      if (world.store.exists(slice('hot'))) kept++;
    }
    expect(kept).toBeGreaterThan(8);
  });

  test('goes for what is over first', () => {
    const world = new World(MB);
    for (let i = 0; i < 2000; i++) world.set(`over${i}`, 'v', world.now + 1);
    world.now += 1000;
    for (let i = 0; i < 7000; i++) world.set(`live${i}`, 'v');
    // A stale one that no sample meets is passed over.
    const { evicted, expired } = world.store.stats();
    expect(expired).toBeGreaterThan(evicted);
  });

  test('has no room for what is larger than it is, and keeps the rest', () => {
    const world = new World(MB);
    world.set('k', 'v');
    expect(world.set('big', 'b'.repeat(MB))).toBe('out-of-memory');
    expect(world.store.append(slice('k'), slice('b'.repeat(MB - 1)))).toBe('out-of-memory');
    expect(world.store.mset(['a', 'x'.repeat(MB / 2), 'b', 'x'.repeat(MB / 2)].map(slice), 0, 4)).toBe(
      'out-of-memory',
    );
    expect(world.get('k')).toBe('v');
    expect(world.store.size).toBe(1);
  });

  test('append and incrBy make room for themselves', () => {
    const world = new World(MB);
    for (let i = 0; i < 20_000; i++) {
      const key = slice(`key${i}`);
      expect(i % 2 === 0 ? world.store.incrBy(key, i) : world.store.append(key, key)).not.toBe(
        'out-of-memory',
      );
    }
    world.now += 1000;
    expect(world.store.append(slice('k'), slice('x'.repeat(MB / 2)))).toBe(MB / 2);
    expect(world.store.append(slice('k'), slice('y'.repeat(MB / 4)))).toBe((MB * 3) / 4);
    expect(world.get('k')).toBe('x'.repeat(MB / 2) + 'y'.repeat(MB / 4));
  });
});

describe('memory', () => {
  test.each([1, 2, 3])('does not leak and does not fragment, whatever the sizes (seed %d)', (seed) => {
    const world = new World(2 * MB);
    const below = random(seed);
    const { totalBytes } = world.store.stats();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 5000; i++) {
        const key = `key${below(500)}`;
        const size =
          [below(100), below(3000), below(100), below(200_000)][below(100) === 0 ? 3 : below(3)] ?? 0;
        expect(world.set(key, 'x'.repeat(size))).toBe('stored');
        if (below(3) === 0) world.store.del(slice(`key${below(500)}`));
      }
      for (let i = 0; i < 500; i++) world.store.del(slice(`key${i}`));
      expect(world.store.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
      // One value of nearly all of it.
      expect(world.set('all', 'a'.repeat(MB))).toBe('stored');
      expect(world.set('rest', 'r'.repeat(totalBytes - MB - 1000))).toBe('stored');
      expect(world.store.stats().evicted).toBeGreaterThanOrEqual(0);
      expect(world.get('all')).toBe('a'.repeat(MB));
      world.store.del(slice('all'));
      world.store.del(slice('rest'));
    }
  });

  test.each([65_536, 65_540, 100_000, 777_777, 3 * MB + 12])(
    'of %d bytes is used to the end',
    (byteLength) => {
      const world = new World(byteLength);
      const { totalBytes } = world.store.stats();
      expect(totalBytes).toBeLessThanOrEqual(byteLength);
      expect(byteLength - totalBytes).toBeLessThan(10_000 + byteLength * 0.07);
      let stored = 0;
      for (let i = 0; i < 30_000; i++) if (world.set(`${i}`, `value ${i}`) === 'stored') stored++;
      expect(stored).toBe(30_000);
      expect(world.store.stats().usedBytes).toBe(totalBytes);
      let found = 0;
      for (let i = 0; i < 30_000; i++) {
        const value = world.get(`${i}`);
        if (value === undefined) continue;
        expect(value).toBe(`value ${i}`);
        found++;
      }
      expect(found).toBe(totalBytes / 128);
    },
  );
});
