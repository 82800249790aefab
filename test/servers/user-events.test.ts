/**
 * User events, triggers and posted items, on real threads. Scenarios 57 (a post while the poller sleeps), 58 (posts before
 * a delivery merge, a post during the handler brings one more run), 59 (posts against teardown), 107 (posts that count are
 * delivered exactly as often as posted), 108 and 71 as far as posts go (a worker that dies loses what it had taken, says
 * so, and nothing else).
 */
import { describe, expect, it } from 'vitest';
import type { UserEvent } from 'wakeone';
import { openClient } from './client.ts';
import { until, within } from './deadline.ts';
import { guardPools, listen, openPool, STRESS } from './pools.ts';
import { openNative } from '../../src/native/index.ts';

guardPools();

const CALLS = 1;
const SUM = 2;
const GATE = 3;
const INSIDE = 4;
const TOGETHER = 5;
const LAST = 6;
const OVERLAP = 7;
const TAKEN = 8;
const MOST = 2 ** 23 - 1;
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('a user event', () => {
  it('is delivered while all workers sleep, within 50 ms in most of 50 tries (57)', async () => {
    const { pool, journal } = await openPool('posts');
    const event = pool.userEvent({ handler: 'tally', merge: 'count' });
    const took: number[] = [];
    for (let round = 1; round <= 50; round++) {
      await until(() => pool.stats().workers.every(({ state }) => state !== 'running'), 'sleeping workers');
      const from = performance.now();
      event.post();
      await until(() => journal.counted(CALLS) === round, 'the delivery');
      took.push(performance.now() - from);
    }
    expect(took.toSorted((a, b) => a - b)[25]).toBeLessThan(50);
    await event.teardown();
  });

  it.each([
    ['or', [1, 4, 4, 256], 261],
    ['add', [1, 4, 4, 256], 265],
    ['last', [1, 4, 256, 7], 7],
  ] as const)('that merges by %s delivers %j as one value (58)', async (merge, values, merged) => {
    const { pool, journal } = await openPool('posts');
    const event = pool.userEvent({ handler: 'held', merge });
    event.post(9);
    await until(() => journal.counted(INSIDE) === 1, 'a handler that is held');
    for (const value of values) event.post(value);
    journal.set(GATE, 1);
    const [first, second] = await journal.until('held', 2);
    expect([first?.['value'], second?.['value']]).toEqual([9, merged]);
    await event.teardown();
    expect(journal.all('held').map(({ value, last }) => [value, last])).toEqual([
      [9, false],
      [merged, false],
      [0, true],
    ]);
  });

  it('that counts is delivered once for each post, one at a time (107)', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 3 });
    const event = pool.userEvent({ handler: 'alone', merge: 'count' });
    const posts = STRESS ? 1_000_000 : 20_000;
    for (let i = 0; i < posts; i++) event.post();
    await until(
      () => journal.counted(CALLS) === posts,
      () => `${journal.counted(CALLS)} of ${posts}`,
      60_000,
    );
    expect(journal.counted(SUM)).toBe(posts);
    expect(journal.counted(OVERLAP)).toBe(0);
    await event.teardown();
    expect([journal.counted(CALLS), journal.counted(LAST)]).toEqual([posts, 1]);
  });

  it('that counts is silent at once when its handler disables it, and ends at once when it asks for that', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 1 });
    const event = pool.userEvent({ handler: 'stops', merge: 'count' });
    event.disable();
    for (let i = 0; i < 10; i++) event.post();
    for (const calls of [1, 2, 3]) {
      event.enable();
      await until(() => journal.counted(CALLS) === calls, `call ${calls}`);
      // One worker: an item behind it is handled after the turn is over.
      pool.post('slow', 1);
      await journal.until('slow', calls);
      expect(journal.counted(CALLS)).toBe(calls);
    }
    await event.ended();
    expect([journal.counted(CALLS), journal.counted(LAST)]).toEqual([3, 1]);
    expect(await journal.until('stops', 1)).toEqual([expect.objectContaining({ left: 7 })]);
  });

  it('tells what was left in its last delivery', async () => {
    const { pool, journal } = await openPool('posts');
    const event = pool.userEvent({ handler: 'told', merge: 'add', cookie: 77n });
    event.disable();
    event.post(5);
    event.post(6);
    await event.teardown(3);
    expect(journal.all('told')).toEqual([
      expect.objectContaining({
        value: 11,
        last: true,
        reason: { type: 'teardown', detail: 3 },
        cookie: '77',
      }),
    ]);
  });

  it('keeps what is posted while it is disabled', async () => {
    const { pool, journal } = await openPool('posts');
    const event = pool.userEvent({ handler: 'told', merge: 'add' });
    event.disable();
    event.post(1);
    event.post(2);
    // Another event's delivery is behind those posts: they have had their turn.
    const other = pool.userEvent({ handler: 'told' });
    other.post(64);
    await journal.until('told', 1);
    expect(journal.all('told').map(({ value }) => value)).toEqual([64]);
    event.enable();
    const told = await journal.until('told', 2);
    expect(told.map(({ value }) => value)).toEqual([64, 3]);
    await Promise.all([event.teardown(), other.teardown()]);
  });

  it('goes on after its handler has thrown', async () => {
    const { pool, journal } = await openPool('posts');
    const errors: string[] = [];
    pool.on('handlerError', (error) => errors.push((error as Error).message));
    const event = pool.userEvent({ handler: 'throws', merge: 'count' });
    for (let i = 0; i < 3; i++) event.post();
    await until(() => errors.length === 3, 'three reports');
    expect(journal.counted(CALLS)).toBe(3);
    expect(event.active).toBe(true);
    await event.teardown();
    expect(journal.counted(LAST)).toBe(1);
  });

  it('is never delivered after its teardown, and posts after it are refused (59)', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 3 });
    const rounds = STRESS ? 20_000 : 500;
    let posted = 0;
    for (let round = 0; round < rounds; round++) {
      const event = pool.userEvent({ handler: 'tally', merge: 'add' });
      const ends = event.teardown();
      try {
        for (let i = 0; i < 50; i++) {
          event.post();
          posted++;
        }
      } catch (error) {
        expect(error).toEqual(refused('ERR_WAKEONE_STALE_REGISTRATION'));
      }
      await ends;
      expect(() => event.post()).toThrow(refused('ERR_WAKEONE_STALE_REGISTRATION'));
      expect(journal.counted(LAST)).toBe(round + 1);
      // What was taken was delivered, with the last delivery at the latest.
      expect(journal.counted(SUM)).toBe(posted);
    }
    expect(pool.stats().registered).toBe(0);
  });

  it('is found by its name in workers, and by its id', async () => {
    const { pool, journal } = await openPool('posts');
    const event = pool.userEvent({ handler: 'tally', merge: 'count', name: 'tally' });
    const client = await openClient(await listen(pool, 'connection'));
    client.socket.write('post');
    await until(() => journal.counted(CALLS) === 1, 'a post by name');
    expect(structuredClone(event.id)).toEqual({
      source: expect.any(Number) as number,
      generation: event.id.generation,
    });
    await event.teardown();
    // The name is free again.
    await pool.userEvent({ handler: 'tally', name: 'tally' }).teardown();
  });

  it('keeps the order of things: nothing of a use of its slot reaches the next', async () => {
    const { pool, journal } = await openPool('posts', { maxSources: 1 });
    for (let round = 0; round < 600; round++) {
      const event: UserEvent = pool.userEvent({ handler: 'tally', merge: 'count' });
      event.post();
      await event.teardown();
    }
    expect(journal.counted(SUM)).toBe(600);
  });
});

describe('a trigger', () => {
  it('calls the trigger handler of a connection, after open, merged by OR', async () => {
    const { pool, journal } = await openPool('posts');
    const client = await openClient(await listen(pool, 'connection'));
    client.socket.write('id');
    const id = JSON.parse(await client.line()) as { fd: number; generation: number };
    const registration = pool.registration(id);
    registration.disable();
    registration.trigger(1);
    registration.trigger(6);
    registration.enable();
    expect(await client.line()).toBe('bits 7');
    client.socket.write('self 32');
    expect(await client.line()).toBe('bits 32');
    expect(journal.all('trigger').map(({ bits }) => bits)).toEqual([7, 32]);
  });

  it('delivers its bits to a bare descriptor, beside readiness', async () => {
    const { pool, journal } = await openPool('posts');
    const native = openNative();
    const fd = native.eventfd();
    const registration = pool.add(fd, { handler: 'both', ownership: 'own' });
    registration.trigger(5);
    expect(await journal.until('both', 1)).toEqual([expect.objectContaining({ value: 5, readable: false })]);
    native.signal(fd);
    expect((await journal.until('both', 2))[1]).toMatchObject({ value: 0, readable: true });
    await registration.teardown();
  });

  it('is refused for listeners, for wrong bits, and after the end', async () => {
    const { pool } = await openPool('posts');
    const server = await listen(pool, 'connection');
    expect(() => server.registration.trigger(1)).toThrow(refused('ERR_WAKEONE_HANDLER_KIND'));
    const fd = openNative().eventfd();
    const registration = pool.add(fd, { handler: 'both', ownership: 'own' });
    for (const bits of [0, -1, 1.5, Number.NaN, MOST + 1, '1'])
      expect(() => registration.trigger(bits as number)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
    await registration.teardown();
    expect(() => registration.trigger(1)).toThrow(refused('ERR_WAKEONE_STALE_REGISTRATION'));
  });
});

describe('a posted item', () => {
  it('is handled once with its value, in parallel with others', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 2 });
    expect(pool.post('pair', 1.5)).toBe(true);
    expect(pool.post('pair', -(2 ** 40))).toBe(true);
    await until(() => journal.counted(TOGETHER) === 2, 'both at once');
    journal.set(GATE, 1);
    await until(() => pool.stats().registered === 0, 'both done');
    expect(
      journal
        .all('pair')
        .map(({ value }) => value as number)
        .toSorted((a, b) => a - b),
    ).toEqual([-(2 ** 40), 1.5]);
  });

  it('is refused by a full queue, which takes more as soon as one is done', async () => {
    const { pool, journal } = await openPool('posts', { maxSources: 4 });
    for (let i = 0; i < 2; i++) expect(pool.post('pair', i)).toBe(true);
    await until(() => journal.counted(TOGETHER) === 2, 'two that hold the workers');
    expect([pool.post('tally', 1), pool.post('tally', 2), pool.post('tally', 4)]).toEqual([
      true,
      true,
      false,
    ]);
    journal.set(GATE, 1);
    await until(() => journal.counted(CALLS) === 2, 'the two that were taken');
    expect(journal.counted(SUM)).toBe(3);
    await until(() => pool.post('tally', 8), 'room');
    await until(() => journal.counted(SUM) === 11, 'the third');
  });

  it('may be async, and is posted by handlers too: each of 2^n is handled exactly once', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 3 });
    const event = pool.userEvent({ handler: 'told', merge: 'add', name: 'tally' });
    event.disable();
    expect(pool.post('breeds', 9)).toBe(true);
    expect(pool.post('slow', 3)).toBe(true);
    await until(
      () => journal.counted(CALLS) === 2 ** 10 - 1,
      () => `${journal.counted(CALLS)} items`,
    );
    await journal.until('slow');
    expect(journal.counted(LAST)).toBe(0);
    await event.teardown();
    expect(journal.all('told').map(({ value }) => value)).toEqual([2 ** 10 - 1]);
  });

  it('is handled when the pool drains, and told when it is destroyed', async () => {
    const { pool, journal } = await openPool('posts', { minThreads: 1 });
    for (let i = 0; i < 100; i++) pool.post('tally', 1);
    await pool.close();
    expect(journal.counted(SUM)).toBe(100);
    expect(() => pool.post('tally', 1)).toThrow(refused('ERR_WAKEONE_POOL_CLOSED'));
    expect(() => pool.userEvent({ handler: 'tally' })).toThrow(refused('ERR_WAKEONE_POOL_CLOSED'));
  });
});

it.each(['dies', 'diesAnyhow'])(
  'workers that die lose what they had taken, tell it, and nothing else: %s (107, 108)',
  async (name) => {
    const { pool, journal } = await openPool('posts', { minThreads: 3 });
    let deaths = 0;
    let lost = 0;
    pool.on('workerExit', () => deaths++);
    pool.on('handlerError', () => {});
    pool.on('claimLost', ({ handler }) => {
      expect(handler).toBe(name);
      lost++;
    });
    const event = pool.userEvent({ handler: name, merge: 'count' });
    const posts = STRESS ? 300 : 45;
    for (let i = 0; i < posts; i++) event.post();
    const died = Math.floor(posts / 10);
    await until(
      () => journal.counted(CALLS) === posts && lost === died,
      () => `${journal.counted(CALLS)} calls, ${lost} of ${died} told, ${deaths} deaths`,
      60_000,
    );
    expect(journal.counted(TAKEN)).toBe(posts - died);
    await within(event.teardown(), 'the end');
    expect([deaths, lost, journal.counted(LAST)]).toEqual([died, died, 1]);
  },
);

it('bad input is refused with typed errors, and nothing is made', async () => {
  const { pool } = await openPool('posts');
  const option = refused('ERR_WAKEONE_INVALID_OPTION');
  const make = (options: object) => () => pool.userEvent({ handler: 'tally', ...options });
  expect(make({ merge: 'xor' })).toThrow(option);
  expect(make({ name: '' })).toThrow(option);
  expect(make({ name: 'ü'.repeat(33) })).toThrow(option);
  expect(make({ name: 5 })).toThrow(option);
  expect(make({ nam: 'x' })).toThrow(option);
  expect(make({ cookie: -1 })).toThrow(option);
  expect(make({ handler: 'nobody' })).toThrow(refused('ERR_WAKEONE_UNKNOWN_HANDLER'));
  expect(make({ handler: 'connection' })).toThrow(refused('ERR_WAKEONE_HANDLER_KIND'));
  expect(() => pool.post('connection', 1)).toThrow(refused('ERR_WAKEONE_HANDLER_KIND'));
  expect(() => pool.post('nobody', 1)).toThrow(refused('ERR_WAKEONE_UNKNOWN_HANDLER'));
  expect(() => pool.post('tally', '1' as unknown as number)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
  const event = pool.userEvent({ handler: 'tally' });
  for (const value of [0, -1, 1.5, Number.NaN, MOST + 1, '1'])
    expect(() => event.post(value as number)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
  const counts = pool.userEvent({ handler: 'tally', merge: 'count' });
  expect(() => counts.post(2)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
  expect(pool.stats().registered).toBe(2);
  await Promise.all([event.teardown(), counts.teardown()]);
});
