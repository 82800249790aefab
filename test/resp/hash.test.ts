/** The hash of keys: the same for the same bytes, and even, whatever the keys look like. */
import { describe, expect, test } from 'vitest';
import { hashOf } from '../../workers/resp/hash.ts';
import { random, slice } from './store-world.ts';

const hash = (key: string, seed = 0): number => hashOf(slice(key), seed, ~seed);

test('is of the bytes, not of where they are', () => {
  for (let length = 0; length < 20; length++) {
    const key = 'k'.repeat(length);
    const bytes = Buffer.from(`some${key}thing`);
    expect(hashOf({ bytes, start: 4, end: 4 + length }, 1, 2)).toBe(hashOf(slice(key), 1, 2));
  }
});

test('tells keys apart that differ in length or in one bit', () => {
  const keys = [
    '',
    '\0',
    '\0\0',
    '\0\0\0',
    '\0\0\0\0',
    'a',
    'b',
    'aa',
    'ab',
    'ba',
    'aaaa',
    'aaab',
    'aaaaa',
    'baaaa',
  ];
  expect(new Set(keys.map((key) => hash(key))).size).toBe(keys.length);
});

/** How far counts are from even: about 1 for random ones, far more for those that are not. */
function unevenness(hashes: readonly number[], bucketOf: (hash: number) => number, buckets: number): number {
  const counts = new Float64Array(buckets);
  for (const one of hashes) counts[bucketOf(one)] = (counts[bucketOf(one)] ?? 0) + 1;
  const mean = hashes.length / buckets;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / mean / (buckets - 1);
}

describe.each([
  ['numbers', (i: number) => `${i}`],
  ['padded numbers', (i: number) => `key:${String(i).padStart(12, '0')}`],
  ['multiples of 4096', (i: number) => `user:${i * 4096}:name`],
  ['single bits', (i: number) => `${'a'.repeat(i % 64)}b${'a'.repeat(63 - (i % 64))}${Math.floor(i / 64)}`],
  ['binary counters', (i: number) => String.fromCharCode(i & 255, i >> 8, 0, 0)],
])('spreads %s', (_, keyOf) => {
  const below = random(1);
  const seed = below(2 ** 32) | 0;
  const hashes = Array.from({ length: 20_000 }, (__, i) => hash(keyOf(i), seed));

  test('over stripes', () => expect(unevenness(hashes, (one) => one >>> 25, 128)).toBeLessThan(1.5));
  test('over buckets', () => expect(unevenness(hashes, (one) => one & 1023, 1024)).toBeLessThan(1.2));
  test('over both', () =>
    expect(unevenness(hashes, (one) => ((one >>> 25) << 3) | (one & 7), 1024)).toBeLessThan(1.2));
});

test('another seed gives another order, also of keys that had met', () => {
  const keys = Array.from({ length: 50_000 }, (_, i) => `k${i}`);
  const first = hash('k0', 1) & 1023;
  const met = keys.filter((key) => (hash(key, 1) & 1023) === first);
  const again = met.filter((key) => (hash(key, 2) & 1023) === (hash('k0', 2) & 1023));
  expect(met.length).toBeGreaterThan(20);
  expect(again.length).toBeLessThan(5);
});
