/**
 * Workers of the app that have joined a pool: what they may do, who may not join, and their end, in the middle of anything.
 * Scenarios 57 (a post from another thread while the poller sleeps), 71, 78 and 107 for attached threads, and of the issue:
 * `attach`.
 */
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import type { Ticket } from 'wakeone';
import { openNative } from '../../src/native/index.ts';
import { MAX_ATTACHED } from '../../src/slots/layout.ts';
import { Child } from '../supervision/child.ts';
import { until, within } from './deadline.ts';
import { Guest, Shared } from './guest.ts';
import { afterTest, guardPools, openPool, STRESS } from './pools.ts';

guardPools();

const POSTS = 1;
const ITEMS = 2;
const GATE = 3;
const HELD = 4;

const native = openNative();
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('an attached Worker', () => {
  it('posts, posts to user events by name and by id, and wakes sleeping workers for that (57)', async () => {
    const { pool, journal } = await openPool('attached');
    const event = pool.userEvent({ handler: 'counts', merge: 'count', name: 'counts' });
    const guest = await Guest.attachedTo(pool);
    const took: number[] = [];
    for (let round = 1; round <= 30; round++) {
      await until(() => pool.stats().workers.every(({ state }) => state !== 'running'), 'sleeping workers');
      const from = performance.now();
      expect(await guest.order('post', ['item', 1])).toBe(true);
      await guest.order('event', round % 2 === 0 ? 'counts' : event.id);
      await until(
        () => journal.counted(ITEMS) === round && journal.counted(POSTS) === round,
        'the deliveries',
      );
      took.push(performance.now() - from);
    }
    expect(took.toSorted((a, b) => a - b)[15]).toBeLessThan(50);
    await event.teardown();
  });

  it('registers descriptors and uses registrations of others', async () => {
    const { pool, journal } = await openPool('attached');
    const guest = await Guest.attachedTo(pool);
    const fd = native.eventfd();
    const id = (await guest.order('add', [fd, { handler: 'told', ownership: 'own' }])) as { fd: number };
    expect(id.fd).toBe(fd);
    expect(pool.stats().registered).toBe(1);
    native.signal(fd);
    expect(await journal.until('told')).toMatchObject([{ readable: true, last: false }]);
    await guest.order('disable');
    await guest.order('trigger', 6);
    await guest.order('enable');
    expect((await journal.until('told', 2))[1]).toMatchObject({ value: 6 });
    await guest.order('teardown', 9);
    const [, , last] = await journal.until('told', 3);
    expect(last).toMatchObject({ last: true, reason: { type: 'teardown', detail: 9 } });
    // The other way round.
    const other = pool.add(native.eventfd(), { handler: 'told', ownership: 'own' });
    await guest.order('take', other.id);
    await guest.order('trigger', 3);
    expect((await journal.until('told', 4))[3]).toMatchObject({ value: 3 });
    await guest.order('teardown', 1);
    expect(other.active).toBe(false);
    expect(pool.stats().registered).toBe(0);
  });

  it('starts timers, in a pool that has had none too', async () => {
    const { pool, journal } = await openPool('attached', { minThreads: 1 });
    const guest = await Guest.attachedTo(pool);
    await guest.order('timer', { handler: 'told', everyMs: 5 });
    expect(await journal.until('told', 3)).toHaveLength(3);
    await guest.order('cancel');
    expect(pool.stats().registered).toBe(0);
  });

  it('sees a full queue as false', async () => {
    const { pool, journal } = await openPool('attached', { maxSources: 4 });
    const guest = await Guest.attachedTo(pool);
    for (let i = 0; i < 2; i++) expect(await guest.order('post', ['held', 1])).toBe(true);
    await until(() => journal.counted(HELD) === 2, 'two that hold the workers');
    const posts = [];
    for (let i = 0; i < 3; i++) posts.push(await guest.order('post', ['item', 1]));
    expect(posts).toEqual([true, true, false]);
    journal.set(GATE, 1);
    await until(() => journal.counted(ITEMS) === 2, 'those that were taken');
  });

  it('is refused what the pool refuses others', async () => {
    const { pool } = await openPool('attached');
    const guest = await Guest.attachedTo(pool);
    const fd = native.eventfd();
    const codes = [
      [['post', ['nobody', 1]], 'ERR_WAKEONE_UNKNOWN_HANDLER'],
      [['post', ['item', 'x']], 'ERR_WAKEONE_INVALID_ARGUMENT'],
      [['event', 'nobody'], 'ERR_WAKEONE_UNKNOWN_EVENT'],
      [['add', [-1, { handler: 'told' }]], 'ERR_WAKEONE_INVALID_FD'],
      [['add', [reservedOf(pool.attach(guest.worker)), { handler: 'told' }]], 'ERR_WAKEONE_FD_RESERVED'],
      [['add', [fd, { handler: 'told', events: [] }]], 'ERR_WAKEONE_INVALID_EVENTS'],
      [['timer', { handler: 'told' }], 'ERR_WAKEONE_INVALID_OPTION'],
      [['take', { fd: 1 }], 'ERR_WAKEONE_INVALID_ARGUMENT'],
    ] as const;
    for (const [[order, argument], code] of codes)
      await expect(guest.order(order, argument)).rejects.toThrow(refused(code));
    native.close(fd);
    expect(pool.stats().registered).toBe(0);
  });
});

const reservedOf = ({ reserved }: Ticket): number => [...reserved][0] ?? -1;

describe('a ticket', () => {
  it('is plain data, used once, by the Worker that it was made for; the last one counts', async () => {
    const { pool } = await openPool('attached');
    const [guest, other] = [await Guest.start(), await Guest.start()];
    const first = pool.attach(guest.worker);
    const ticket = pool.attach(guest.worker);
    expect(structuredClone(ticket)).toEqual(ticket);
    const unusable = refused('ERR_WAKEONE_TICKET');
    await expect(other.order('attach', ticket)).rejects.toThrow(unusable);
    await expect(guest.order('attach', first)).rejects.toThrow(unusable);
    await guest.order('attach', ticket);
    await expect(guest.order('attach', ticket)).rejects.toThrow(unusable);
    for (const nonsense of [undefined, null, 5, {}, { ...ticket, wakeone: -1 }])
      await expect(guest.order('attach', nonsense)).rejects.toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
    expect(await guest.order('open')).toBe(true);
  });

  it('is made for Workers that live, while the pool is open', async () => {
    const { pool } = await openPool('attached');
    const [guest, late] = [await Guest.start(), await Guest.start()];
    await guest.worker.terminate();
    const wrong = refused('ERR_WAKEONE_INVALID_ARGUMENT');
    for (const worker of [guest.worker, undefined, {}, 1])
      expect(() => pool.attach(worker as Worker)).toThrow(wrong);
    const ticket = pool.attach(late.worker);
    await pool.close();
    const closed = refused('ERR_WAKEONE_POOL_CLOSED');
    expect(() => pool.attach(late.worker)).toThrow(closed);
    await expect(late.order('attach', ticket)).rejects.toThrow(closed);
  });

  it('is worth nothing after detach(); another one is', async () => {
    const { pool, journal } = await openPool('attached');
    const guest = await Guest.attachedTo(pool);
    await guest.order('detach');
    await guest.order('detach');
    expect(await guest.order('open')).toBe(false);
    for (const [order, argument] of [
      ['post', ['item', 1]],
      ['add', [5, { handler: 'told' }]],
      ['event', 'counts'],
      ['take', { fd: 5, generation: 1 }],
      ['timer', { handler: 'told', everyMs: 5 }],
    ] as const)
      await expect(guest.order(order, argument)).rejects.toThrow(refused('ERR_WAKEONE_DETACHED'));
    await guest.attach(pool);
    await guest.order('post', ['item', 1]);
    await until(() => journal.counted(ITEMS) === 1, 'the delivery');
  });

  it(`is had by ${MAX_ATTACHED} Workers at once, and by another when one has ended`, async () => {
    const { pool } = await openPool('attached');
    const workers = Array.from({ length: MAX_ATTACHED + 1 }, () => {
      const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
      afterTest(() => worker.terminate());
      return worker;
    });
    const last = workers.pop() as Worker;
    const tickets = workers.map((worker) => pool.attach(worker));
    expect(new Set(tickets.map(({ owner }) => owner)).size).toBe(MAX_ATTACHED);
    expect(() => pool.attach(last)).toThrow(refused('ERR_WAKEONE_ATTACH_LIMIT'));
    const ending = workers[7]?.terminate();
    // It is ending, and its exit was not seen.
    expect(() => pool.attach(last)).toThrow(refused('ERR_WAKEONE_ATTACH_LIMIT'));
    await ending;
    expect(pool.attach(last).owner).toBe(tickets[7]?.owner);
  });
});

describe('the end of the pool', () => {
  it.each(['close', 'destroy'] as const)(
    'by %s() refuses what comes later, and loses nothing that came before',
    async (way) => {
      const { pool, journal } = await openPool('attached');
      const guest = await Guest.attachedTo(pool);
      const refusal = guest.order('untilRefused');
      await until(() => journal.counted(ITEMS) > 100, 'a stream of posts');
      await pool[way]();
      expect(await refusal).toEqual(['ERR_WAKEONE_POOL_CLOSED', true]);
      expect(await guest.order('open')).toBe(false);
      expect(pool.stats().registered).toBe(0);
    },
  );

  it('is not held up by a Worker that dies in the middle of a call', async () => {
    for (let round = 0; round < (STRESS ? 100 : 5); round++) {
      const { pool, journal } = await openPool('attached');
      const guest = await Guest.attachedTo(pool);
      guest.tell('untilRefused');
      await until(() => journal.counted(ITEMS) > 10, 'a stream of posts');
      const [ending] = [guest.worker.terminate(), await within(pool.close(), 'the end of the pool')];
      await ending;
      expect(pool.stats().registered).toBe(0);
    }
  });
});

/** Churn of several Workers that end in one way, and what must be true after it. */
async function churn(rounds: number, end: (guest: Guest) => Promise<void>, exitAfter = -1): Promise<void> {
  const { pool, journal } = await openPool('attached', { minThreads: 3, maxSources: 64 });
  const event = pool.userEvent({ handler: 'counts', merge: 'count', name: 'counts' });
  const fds = Array.from({ length: 4 }, () => native.eventfd());
  afterTest(() => fds.forEach((fd) => native.close(fd)));
  const sum: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const guests = await Promise.all([Guest.attachedTo(pool), Guest.attachedTo(pool)]);
    for (const [i, guest] of guests.entries())
      guest.tell('churn', { fds, event: 'counts', seed: 2 * round + i, exitAfter });
    await Promise.all(guests.map(end));
    for (const { words } of guests)
      for (const at of [
        Shared.STARTED,
        Shared.POSTED,
        Shared.ITEMS_STARTED,
        Shared.ITEMS_POSTED,
        Shared.ADDS,
      ])
        sum[at] = (sum[at] ?? 0) + Atomics.load(words, at);
  }
  // A Worker may have ended between an add and its teardown: that registration is whole, and stays.
  for (const fd of fds) native.signal(fd);
  const least = { posts: sum[Shared.POSTED] ?? 0, items: sum[Shared.ITEMS_POSTED] ?? 0 };
  // What was in flight may have been posted or not.
  const most = { posts: sum[Shared.STARTED] ?? 0, items: sum[Shared.ITEMS_STARTED] ?? 0 };
  await until(
    () => pool.stats().registered === 1 && journal.counted(POSTS) >= least.posts,
    () =>
      `one registration, not ${pool.stats().registered}; ${journal.counted(POSTS)} of ${least.posts} posts`,
    20_000,
  );
  await within(event.teardown(), 'the last delivery');
  expect(least.posts).toBeGreaterThan(0);
  expect(sum[Shared.ADDS]).toBeGreaterThan(0);
  expect(journal.counted(POSTS)).toBeGreaterThanOrEqual(least.posts);
  expect(journal.counted(POSTS)).toBeLessThanOrEqual(most.posts);
  expect(journal.counted(ITEMS)).toBeGreaterThanOrEqual(least.items);
  expect(journal.counted(ITEMS)).toBeLessThanOrEqual(most.items);
  expect(pool.stats().registered).toBe(0);
  // Every source is free.
  const all = Array.from({ length: 64 }, () => pool.userEvent({ handler: 'quiet' }));
  await Promise.all(all.map((one) => one.teardown()));
}

describe('Workers that post, register and end in the middle of that, leave nothing behind:', () => {
  it('by terminate()', async () => {
    await churn(STRESS ? 500 : 12, async (guest) => {
      await until(() => Atomics.load(guest.words, Shared.POSTED) > 50, 'a stream of posts');
      await guest.worker.terminate();
    });
  });

  it('by process.exit()', async () => {
    await churn(STRESS ? 200 : 5, async (guest) => void (await within(guest.ended, 'the exit')), 200);
  });

  it('by running to their end, without detach()', async () => {
    await churn(STRESS ? 50 : 3, async (guest) => {
      await until(() => Atomics.load(guest.words, Shared.POSTED) > 50, 'a stream of posts');
      Atomics.store(guest.words, Shared.STOP, 1);
      guest.tell('exit', 0);
      await within(guest.ended, 'the exit');
    });
  });
});

describe('an attached Worker keeps nothing alive', () => {
  const program = new URL('programs/attaches.mjs', import.meta.url).pathname;

  it.each([
    ['that has ended', 'ends', 'over'],
    ['that is unreferenced', 'unref', 'over'],
    ['whose registration is left over', 'registers', 'delivered'],
  ])('%s', async (_, way, said) => {
    const child = new Child(process.execPath, [program, way]);
    expect(await child.end(10_000)).toEqual({ code: 0, signal: null });
    expect(child.errors).toBe('');
    expect(child.lines).toEqual([said]);
  });
});
