/** The store of the cache in one thread: each operation, and all of them against a Map. */
import { describe, expect, test } from 'vitest';
import { createMemory, MAX_BYTES, Store } from '../../workers/resp/store.ts';
import { random, slice, World } from './store-world.ts';

const MB = 2 ** 20;

describe('set and get', () => {
  test('give back what was set, binary and empty too', () => {
    const world = new World(MB);
    expect(world.get('a')).toBeUndefined();
    expect(world.set('a', 'one')).toBe('stored');
    expect(world.set('', '')).toBe('stored');
    expect(world.set('bin\0\r\n', '\0\xff\r\n')).toBe('stored');
    expect(world.get('a')).toBe('one');
    expect(world.get('')).toBe('');
    expect(world.get('bin\0\r\n')).toBe('\0\xff\r\n');
    expect(world.store.size).toBe(3);
  });

  test('replace by a value of any other length', () => {
    const world = new World(MB);
    for (const length of [3, 95, 96, 97, 5000, 0, 223, 224, 225, 10]) {
      expect(world.set('k', 'x'.repeat(length))).toBe('stored');
      expect(world.get('k')).toBe('x'.repeat(length));
    }
    expect(world.store.size).toBe(1);
  });

  test('on a condition', () => {
    const { store, ...world } = new World(MB);
    expect(store.set(slice('k'), slice('1'), 0, 'present')).toBe('kept');
    expect(store.set(slice('k'), slice('1'), 0, 'absent')).toBe('stored');
    expect(store.set(slice('k'), slice('2'), 0, 'absent')).toBe('kept');
    expect(store.get(slice('k'), world.sink)).toBe(true);
    expect(world.sink.take()).toEqual(['1']);
    expect(store.set(slice('k'), slice('3'), 0, 'present')).toBe('stored');
  });

  test('keys and values of 1 MiB', () => {
    const world = new World(8 * MB);
    const key = 'k'.repeat(MAX_BYTES - 1);
    const value = 'v'.repeat(MAX_BYTES);
    expect(world.set(`${key}1`, value)).toBe('stored');
    expect(world.set(`${key}2`, 'other')).toBe('stored');
    expect(world.get(`${key}1`)).toBe(value);
    expect(world.get(`${key}2`)).toBe('other');
    expect(world.set(`${key}12`, 'v')).toBe('too-large');
    expect(world.set('k', `${value}v`)).toBe('too-large');
    expect(world.get(`${key}12`)).toBeUndefined();
  });
});

test('del and exists', () => {
  const { store, ...world } = new World(MB);
  expect(store.del(slice('k'))).toBe(false);
  store.set(slice('k'), slice('v'));
  expect(store.exists(slice('k'))).toBe(true);
  expect(store.valueLength(slice('k'))).toBe(1);
  expect(store.del(slice('k'))).toBe(true);
  expect(store.exists(slice('k'))).toBe(false);
  expect(store.get(slice('k'), world.sink)).toBe(false);
  expect(store.size).toBe(0);
});

describe('incrBy', () => {
  test('counts from 0 and stays exact up to 64 bits', () => {
    const world = new World(MB);
    const { store } = world;
    expect(store.incrBy(slice('n'), 1)).toBe(1);
    expect(store.incrBy(slice('n'), -11)).toBe(-10);
    expect(world.get('n')).toBe('-10');
    expect(store.incrBy(slice('n'), 2 ** 53 - 1)).toBe(2 ** 53 - 11);
    expect(store.incrBy(slice('n'), 2 ** 53 - 1)).toBe(18_014_398_509_481_972n);
    expect(world.get('n')).toBe('18014398509481972');
    expect(store.incrBy(slice('n'), -18_014_398_509_481_972n)).toBe(0);
    expect(world.set('n', '9223372036854775806')).toBe('stored');
    expect(store.incrBy(slice('n'), 1)).toBe(9_223_372_036_854_775_807n);
    expect(store.incrBy(slice('n'), 1)).toBe('overflow');
    expect(world.get('n')).toBe('9223372036854775807');
    expect(store.incrBy(slice('m'), -(2n ** 63n))).toBe(-(2n ** 63n));
    expect(store.incrBy(slice('m'), -1)).toBe('overflow');
  });

  test.each([
    '',
    '-',
    'x',
    '1x',
    ' 1',
    '1 ',
    '+1',
    '01',
    '-0',
    '1.5',
    '0x1',
    '9223372036854775808',
    '1'.repeat(30),
  ])('refuses %j', (value) => {
    const world = new World(MB);
    world.set('n', value);
    expect(world.store.incrBy(slice('n'), 1)).toBe('not-an-integer');
    expect(world.get('n')).toBe(value);
  });

  test('leaves the time of the key as it is', () => {
    const world = new World(MB);
    world.set('n', '9', world.now + 100);
    expect(world.store.incrBy(slice('n'), 1)).toBe(10);
    expect(world.store.ttl(slice('n'))).toBe(100);
  });

  test('refuses a delta that is no integer', () => {
    expect(() => new World(MB).store.incrBy(slice('n'), 0.5)).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' }),
    );
  });
});

test('append grows a value byte by byte, as far as 1 MiB', () => {
  const world = new World(8 * MB);
  const { store } = world;
  let expected = '';
  for (let i = 0; i < 1000; i++) {
    expected += String(i);
    expect(store.append(slice('k'), slice(String(i)))).toBe(expected.length);
  }
  expect(world.get('k')).toBe(expected);
  expect(store.append(slice('k'), slice(''))).toBe(expected.length);
  expect(store.append(slice('k'), slice('x'.repeat(MAX_BYTES)))).toBe('too-large');
  const rest = 'y'.repeat(MAX_BYTES - expected.length);
  expect(store.append(slice('k'), slice(rest))).toBe(MAX_BYTES);
  expect(world.get('k')).toBe(expected + rest);
  expect(store.append(slice('k'), slice('z'))).toBe('too-large');
});

describe('expiry', () => {
  test('a key is gone when its time is over, not before', () => {
    const world = new World(MB);
    const { store } = world;
    world.set('k', 'v', world.now + 10);
    expect(store.ttl(slice('k'))).toBe(10);
    world.now += 9;
    expect(world.get('k')).toBe('v');
    world.now++;
    expect(world.get('k')).toBeUndefined();
    expect(store.ttl(slice('k'))).toBe('missing');
    expect(store.size).toBe(0);
    expect(store.stats().expired).toBe(1);
  });

  test('is set, lifted and forgotten', () => {
    const world = new World(MB);
    const { store } = world;
    expect(store.expire(slice('k'), world.now + 5)).toBe(false);
    world.set('k', 'v');
    expect(store.ttl(slice('k'))).toBe('no-expiry');
    expect(store.expire(slice('k'), world.now + 5)).toBe(true);
    expect(store.expire(slice('k'), 0)).toBe(true);
    expect(store.ttl(slice('k'))).toBe('no-expiry');
    store.expire(slice('k'), world.now + 5);
    world.set('k', 'w');
    expect(store.ttl(slice('k'))).toBe('no-expiry');
    expect(store.expire(slice('k'), world.now)).toBe(true);
    expect(store.exists(slice('k'))).toBe(false);
  });

  test('a key that nobody asks for is removed by maintain()', () => {
    const world = new World(4 * MB);
    for (let i = 0; i < 5000; i++) world.set(`k${i}`, 'v', i % 2 === 0 ? world.now + 10 : 0);
    world.now += 10;
    for (let i = 0; i < 200; i++) world.store.maintain();
    expect(world.store.size).toBe(2500);
    expect(world.store.stats().expired).toBe(2500);
  });

  test('a set on the condition that there is none meets a key whose time is over', () => {
    const world = new World(MB);
    world.set('k', 'v', world.now + 1);
    world.now++;
    expect(world.store.set(slice('k'), slice('w'), 0, 'present')).toBe('kept');
    expect(world.store.set(slice('k'), slice('w'), 0, 'absent')).toBe('stored');
  });
});

test('mset and mget', () => {
  const world = new World(MB);
  const args = ['a', '1', 'b', '2', 'a', '3'].map(slice);
  expect(world.store.mset(args, 0, args.length)).toBe('stored');
  expect(world.mget('a', 'none', 'b', 'a')).toEqual(['3', undefined, '2', '3']);
  expect(world.store.mset(args, 2, 4)).toBe('stored');
  expect(world.store.size).toBe(2);
});

test('flush leaves nothing and all memory', () => {
  const world = new World(MB);
  for (let i = 0; i < 1000; i++) world.set(`k${i}`, 'v'.repeat(i), world.now + 1000);
  world.store.flush();
  expect(world.store.size).toBe(0);
  expect(world.store.stats().usedBytes).toBe(0);
  expect(world.get('k1')).toBeUndefined();
  expect(world.set('k1', 'v')).toBe('stored');
});

describe('refuses', () => {
  const invalid = (code: string): unknown => expect.objectContaining({ code });

  test.each([0, 1000, 2 ** 40, 65_536.5, Number.NaN])('memory of %d bytes', (byteLength) => {
    expect(() => createMemory(byteLength)).toThrow(invalid('ERR_WAKEONE_INVALID_OPTION'));
  });

  test('memory that is none of its own', () => {
    const memory = new SharedArrayBuffer(MB);
    expect(() => new Store(memory)).toThrow(invalid('ERR_WAKEONE_INVALID_ARGUMENT'));
  });

  test.each([
    { start: -1, end: 1 },
    { start: 2, end: 1 },
    { start: 0, end: 4 },
    { start: Number.NaN, end: 2 },
  ])('the slice %j', (range) => {
    const { store, sink } = new World(MB);
    const bad = { bytes: new Uint8Array(3), ...range };
    for (const call of [
      () => store.get(bad, sink),
      () => store.set(bad, bad),
      () => store.set(slice('k'), bad),
    ])
      expect(call).toThrow(invalid('ERR_WAKEONE_INVALID_ARGUMENT'));
    // No lock is left behind.
    expect(store.set(slice('k'), slice('v'))).toBe('stored');
  });

  test('nothing that a sink throws: it goes on', () => {
    const world = new World(MB);
    world.set('k', 'v');
    const bytes = new Uint8Array(0);
    const value = (): number => {
      throw new Error('no room');
    };
    expect(() => world.store.get(slice('k'), { bytes, value, missing() {} })).toThrow('no room');
    expect(world.get('k')).toBe('v');
  });
});

/** A Map with times: what the store must do. */
class Model {
  readonly #entries = new Map<string, { value: string; expiresAtMs: number }>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  find(key: string): { value: string; expiresAtMs: number } | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.expiresAtMs !== 0 && entry.expiresAtMs <= this.#world.now) {
      this.#entries.delete(key);
      return undefined;
    }
    return entry;
  }

  set(key: string, value: string, expiresAtMs: number): void {
    this.#entries.set(key, { value, expiresAtMs });
  }

  del(key: string): boolean {
    const found = this.find(key) !== undefined;
    this.#entries.delete(key);
    return found;
  }

  flush(): void {
    this.#entries.clear();
  }

  get live(): string[] {
    return [...this.#entries.keys()].filter((key) => this.find(key) !== undefined);
  }
}

test.each([1, 2, 3, 4, 5])('20,000 operations are those of a Map (seed %d)', (seed) => {
  const below = random(seed);
  const world = new World(16 * MB);
  const { store } = world;
  const model = new Model(world);
  const keyOf = (): string => 'k'.repeat(1 + below(4) * below(60)) + below(200);
  const valueOf = (): string => String(below(1000)).repeat(below(4) === 0 ? below(300) : below(20));
  const timeOf = (): number => (below(3) === 0 ? world.now + 1 + below(1000) : 0);

  for (let i = 0; i < 20_000; i++) {
    if (below(20) === 0) world.now += below(200);
    const key = keyOf();
    const old = model.find(key);
    const value = valueOf();
    switch (below(9)) {
      case 0: {
        const time = timeOf();
        expect(world.set(key, value, time)).toBe('stored');
        model.set(key, value, time);
        break;
      }
      case 1: {
        const when = below(2) === 0 ? 'absent' : 'present';
        const met = (old === undefined) === (when === 'absent');
        expect(store.set(slice(key), slice(value), 0, when)).toBe(met ? 'stored' : 'kept');
        if (met) model.set(key, value, 0);
        break;
      }
      case 2:
        expect(store.del(slice(key))).toBe(model.del(key));
        break;
      case 3: {
        const time = timeOf();
        expect(store.expire(slice(key), time)).toBe(old !== undefined);
        if (old !== undefined) old.expiresAtMs = time;
        break;
      }
      case 4:
        expect(store.append(slice(key), slice(value))).toBe((old?.value.length ?? 0) + value.length);
        if (old === undefined) model.set(key, value, 0);
        else old.value += value;
        break;
      case 5: {
        const isNumber = old === undefined || /^(?:0|-?[1-9]\d{0,14})$/.test(old.value);
        if (!isNumber) break;
        const sum = Number(old?.value ?? 0) + below(100) - 50;
        expect(store.incrBy(slice(key), sum - Number(old?.value ?? 0))).toBe(sum);
        model.set(key, String(sum), old?.expiresAtMs ?? 0);
        break;
      }
      case 6: {
        const other = keyOf();
        store.mset([key, value, other, key].map(slice), 0, 4);
        model.set(key, value, 0);
        model.set(other, key, 0);
        expect(world.mget(other, key)).toEqual([key, model.find(key)?.value]);
        break;
      }
      case 7:
        if (below(1000) === 0) {
          store.flush();
          model.flush();
        } else store.maintain();
        break;
      default: {
        expect(world.get(key)).toBe(old?.value);
        const left =
          old === undefined ? 'missing' : old.expiresAtMs === 0 ? 'no-expiry' : old.expiresAtMs - world.now;
        expect(store.ttl(slice(key))).toBe(left);
      }
    }
  }
  const live = model.live;
  expect(live.length).toBeGreaterThan(20);
  for (const key of live) expect(world.get(key)).toBe(model.find(key)?.value);
  for (let i = 0; i < 200; i++) store.maintain();
  expect(store.size).toBe(live.length);
  for (const key of live) expect(store.del(slice(key))).toBe(true);
  expect(store.stats().usedBytes).toBe(0);
});
