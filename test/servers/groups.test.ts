/**
 * Groups, on real threads: one handler at a time, in the order in which the events came (44, 45), members that are torn down,
 * join and leave (46), throw (47), die (48), are too many (49), post to their own group (50), and reach each other (106).
 * Exclusivity is counted by the handlers in shared memory.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { GroupId, Pool, UserEvent } from 'wakeone';
import { type Client, openClient, openClients } from './client.ts';
import { until, within } from './deadline.ts';
import type { Journal } from './journal.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

guardPools();

const CALLS = 1;
const GATE = 3;
const HELD = 5;
const OVERLAP = 7;
const OTHERS = 8;
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;
const events = (pool: Pool, count: number, handler: string, group: GroupId) =>
  Array.from({ length: count }, (_, i) =>
    pool.userEvent({ handler, merge: 'count', cookie: i, group, name: `${handler} ${i}` }),
  );

/** Sends a line of its own kind, and waits for its echo. */
async function tell(client: Client, text: string): Promise<void> {
  client.write(text);
  expect((await client.read(text.length)).toString()).toBe(text);
}

describe('exclusivity and order', () => {
  it('one handler of a group runs at a time; other groups go on in parallel (44)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 4 });
    const group = pool.group();
    const server = await listen(pool, 'echo', { group });
    const clients = await openClients(server, 16);
    const members = events(pool, 8, 'tally', group.id);
    const rounds = STRESS ? 2000 : 100;
    for (let round = 0; round < rounds; round++) for (const member of members) member.post();
    await Promise.all(
      clients.map(async (client) => {
        for (let round = 0; round < rounds; round++) await tell(client, `round ${round} `);
      }),
    );
    await journal.untilCounted(CALLS, rounds * (members.length + clients.length), 60_000);
    await until(() => group.size === 24, 'all members');
    expect(journal.counted(OVERLAP)).toBe(0);
    expect(journal.all('open').every(({ grouped }) => grouped === true)).toBe(true);
    await group.teardown(9);
    expect(journal.all('close')).toHaveLength(16);
    expect(journal.all('close').every(({ type, detail }) => type === 'teardown' && detail === 9)).toBe(true);
    expect([journal.counted(OVERLAP), group.active, group.size]).toEqual([0, false, 0]);
  });

  it('timers too have their turns in those of the group', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const timers = [1, 2, 3].map((cookie) => pool.timer({ handler: 'tally', everyMs: 1, cookie, group }));
    const members = events(pool, 2, 'tally', group.id);
    for (let round = 0; round < 50; round++) for (const member of members) member.post();
    await journal.untilCounted(CALLS, 200);
    await until(() => group.size === 5, 'five members');
    await Promise.all(timers.map((timer) => timer.cancel()));
    await until(() => group.size === 2, 'two members');
    await group.teardown();
    expect(journal.counted(OVERLAP)).toBe(0);
  });

  it('posts that count, to one after the other, are delivered so (45)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 4 });
    const group = pool.group();
    const gate = pool.userEvent({ handler: 'told', cookie: 9, group });
    const members = events(pool, 3, 'told', group.id);
    // A value of 1 is held: all others wait then.
    gate.post(1);
    await journal.untilCounted(HELD, 1);
    for (let round = 0; round < 5; round++) for (const member of members) member.post();
    journal.set(GATE, 1);
    const told = await journal.until('told', 16);
    expect(told.map(({ cookie }) => cookie)).toEqual([9, ...Array.from({ length: 15 }, (_, i) => i % 3)]);
    await group.teardown();
  });

  it('a group that is held does not hold others', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 2 });
    const [held, free] = [pool.group(), pool.group()];
    const [gate] = events(pool, 1, 'told', held.id);
    const [other] = events(pool, 1, 'other', free.id);
    gate?.post();
    await journal.untilCounted(HELD, 1);
    other?.post();
    await journal.untilCounted(OTHERS, 1);
    journal.set(GATE, 1);
    await Promise.all([held.teardown(), free.teardown()]);
  });

  it('what became ready while a handler ran is delivered in the order in which it did (45)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 4 });
    const group = pool.group();
    const members = Array.from({ length: 32 }, (_, i) =>
      pool.userEvent({ handler: 'told', cookie: i, group, merge: 'last' }),
    );
    members[0]?.post(1);
    await journal.untilCounted(HELD, 1);
    const order = [7, 31, 2, 30, 1, 15, 9, 8, 28, 3, 4, 21, 22, 5, 6, 29, 10, 14, 11, 13, 12];
    for (const i of order) members[i]?.post(2);
    journal.set(GATE, 1);
    const told = await journal.until('told', order.length + 1);
    expect(told.map(({ cookie }) => cookie)).toEqual([0, ...order]);
    expect(journal.counted(OVERLAP)).toBe(0);
    await group.teardown();
  });

  it('an async handler keeps the others waiting until it has settled', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const slow = events(pool, 3, 'slow', group.id);
    for (let round = 0; round < 20; round++) for (const member of slow) member.post();
    await journal.untilCounted(CALLS, 60);
    await group.teardown();
    expect(journal.counted(OVERLAP)).toBe(0);
    expect(journal.all('last')).toHaveLength(3);
  });

  it('a group that never rests does not starve what is in none, nor the last of its members (49)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 1 });
    const group = pool.group();
    const restless = events(pool, 100, 'restless', group.id);
    for (const member of restless) member.post();
    await journal.untilCounted(CALLS, 1000);
    const outside = pool.userEvent({ handler: 'other' });
    outside.post();
    await journal.untilCounted(OTHERS, 1);
    await group.teardown();
    await outside.teardown();
  });

  it('a post to the own group is delivered after the handler that made it (50)', async () => {
    const { pool, journal } = await openPool('groups');
    const group = pool.group();
    pool.userEvent({ handler: 'told', name: 'next', group });
    const [first] = events(pool, 1, 'posts', group.id);
    first?.post();
    await journal.until('told');
    expect(journal.entries.map(({ on }) => on)).toEqual(['posted', 'told']);
    expect(journal.counted(OVERLAP)).toBe(0);
    await group.teardown();
  });
});

describe('members come and go (46)', () => {
  it('by add() and remove() of the main thread, while handlers run', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 4 });
    const group = pool.group();
    const loose = Array.from({ length: 6 }, (_, i) =>
      pool.userEvent({ handler: 'tally', merge: 'count', name: `loose ${i}` }),
    );
    await Promise.all(loose.map((event) => group.add(event)));
    let posts = 0;
    const post = (some: readonly UserEvent[]): void => {
      for (const event of some) event.post();
      posts += some.length;
    };
    for (let round = 0; round < (STRESS ? 300 : 30); round++) {
      const out = loose[round % loose.length] as UserEvent;
      const others = loose.filter((event) => event !== out);
      post(others);
      // While others have their turns.
      await group.remove(out);
      await journal.untilCounted(CALLS, posts);
      // Alone while outside: the others are silent.
      post([out]);
      await journal.untilCounted(CALLS, posts);
      post(others);
      await group.add(out);
      post(loose);
      await journal.untilCounted(CALLS, posts);
    }
    expect(journal.counted(OVERLAP)).toBe(0);
    await Promise.all(loose.map((event) => event.teardown()));
    await until(() => group.size === 0, 'an empty group');
    expect(group.active).toBe(true);
    await group.teardown();
    expect(group.active).toBe(false);
  });

  it('a teardown of one leaves the others', async () => {
    const { pool, journal } = await openPool('groups');
    const group = pool.group();
    const [gate, victim, third] = events(pool, 3, 'told', group.id);
    gate?.post();
    await journal.untilCounted(HELD, 1);
    const over = victim?.teardown();
    third?.post();
    journal.set(GATE, 1);
    await over;
    await journal.until('told', 2);
    await until(() => group.size === 2, 'two members');
    expect(journal.entries.map(({ on, cookie }) => [on, cookie])).toEqual([
      ['told', 0],
      ['last', 1],
      ['told', 2],
    ]);
    await group.teardown();
  });

  it('a connection joins and leaves in its own handlers', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const server = await listen(pool, 'echo');
    const [one, other] = await openClients(server, 2);
    if (one === undefined || other === undefined) throw new Error('no clients');
    await tell(one, `join ${JSON.stringify(group.id)}`);
    await tell(other, `join ${JSON.stringify(group.id)}`);
    await until(() => group.size === 2, 'two members');
    // Before they had joined, they were on their own.
    const overlaps = journal.counted(OVERLAP);
    await Promise.all([tell(one, 'hello'), tell(other, 'hello')]);
    one.write('others');
    expect((await other.read(12)).toString()).toBe('from another');
    await one.read(6);
    // After it has left they are on their own again: one may begin while the other, that has answered, still ends.
    await tell(other, 'leave');
    expect(journal.counted(OVERLAP)).toBe(overlaps);
    await until(() => group.size === 1, 'one member');
    await tell(one, 'gate'.slice(0, 2));
    await tell(other, 'alone');
    await group.teardown();
    expect(journal.all('close')).toMatchObject([{ type: 'teardown' }]);
  });

  it('one that has ended does no harm to those that write to all', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const server = await listen(pool, 'echo', { group });
    const [one, other, ended] = await openClients(server, 3);
    if (one === undefined || other === undefined || ended === undefined) throw new Error('no clients');
    await until(() => group.size === 3, 'three members');
    // Its own side is still open, so it stays a member.
    await tell(ended, 'end');
    await tell(one, 'each');
    expect((await other.read(4)).toString()).toBe('each');
    expect(journal.all('each')).toMatchObject([
      {
        told: [
          [false, false],
          [true, true],
        ],
        writable: true,
      },
    ]);
    expect(group.size).toBe(3);
    await group.teardown();
  });

  it('a connection that joins while a handler of the group runs is a member when its turn is over', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 2 });
    const group = pool.group();
    const [gate] = events(pool, 1, 'told', group.id);
    gate?.post();
    await journal.untilCounted(HELD, 1);
    const client = await openClient(await listen(pool, 'echo'));
    await journal.until('open');
    const overlaps = journal.counted(OVERLAP);
    client.write(`join ${JSON.stringify(group.id)}`);
    await journal.until('joined');
    client.write('x');
    journal.set(GATE, 1);
    await until(() => group.size === 2, 'two members');
    await until(() => journal.counted(CALLS) === 2, 'its next turn');
    // Its `open` and its joining turn were not in the group yet.
    expect(journal.counted(OVERLAP)).toBeLessThanOrEqual(overlaps + 1);
    await group.teardown();
  });

  it('a transient group ends with its last member', async () => {
    const { pool } = await openPool('groups');
    const group = pool.group({ transient: true });
    const [one, other] = events(pool, 2, 'tally', group.id);
    await one?.teardown();
    expect(group.active).toBe(true);
    await other?.teardown();
    await within(group.ended(), 'the end of the group');
    expect(pool.stats().registered).toBe(0);
  });

  it('a thousand members', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const members = events(pool, 1000, 'tally', group.id);
    for (const member of members) member.post();
    await journal.untilCounted(CALLS, 1000);
    expect(journal.counted(OVERLAP)).toBe(0);
    await group.teardown();
    expect(pool.stats().registered).toBe(0);
  });
});

describe('members that fail', () => {
  it.each(['throws', 'rejects'])('one that %s does not hold up the others (47)', async (handler) => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const errors: unknown[] = [];
    pool.on('handlerError', (error) => errors.push(error));
    const [bad] = events(pool, 1, handler, group.id);
    const [good] = events(pool, 1, 'tally', group.id);
    for (let i = 0; i < 20; i++) {
      bad?.post();
      good?.post();
    }
    await journal.untilCounted(CALLS, 20);
    await until(() => errors.length >= 20, 'all errors');
    expect(journal.counted(OVERLAP)).toBe(0);
    await group.teardown();
  });

  it('a worker that dies in a handler takes its member, and the group goes on (48)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 2 });
    pool.on('workerExit', () => {});
    const group = pool.group();
    const server = await listen(pool, 'echo', { group });
    const [gate] = events(pool, 1, 'told', group.id);
    const clients = await openClients(server, 5);
    for (const client of clients) await tell(client, 'hello');
    gate?.post();
    await journal.untilCounted(HELD, 1);
    const [victim, ...rest] = clients;
    victim?.write('die');
    for (const client of rest) client.write('after');
    journal.set(GATE, 1);
    await victim?.over();
    for (const client of rest) expect((await client.read(5)).toString()).toBe('after');
    expect(await journal.until('close')).toMatchObject([{ type: 'worker-died' }]);
    await until(() => group.size === 5, 'the other members');
    await group.teardown();
  });

  it('deaths, one after the other, lose no member and no post of another (48)', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 2 });
    pool.on('workerExit', () => {});
    pool.on('claimLost', () => {});
    const group = pool.group();
    const dying = events(pool, 5, 'dies', group.id);
    const [good] = events(pool, 1, 'tally', group.id);
    for (const member of dying) {
      good?.post();
      member.post();
      good?.post();
    }
    await journal.untilCounted(CALLS, 10, 30_000);
    await within(group.teardown(), 'the end of the group', 20_000);
    expect(journal.all('last')).toHaveLength(5);
    expect(pool.stats().registered).toBe(0);
  });

  it('a handler that never settles is given up when the group is torn down (89)', async () => {
    const { pool, journal } = await openPool('groups', { graceMs: 50 });
    const group = pool.group();
    const [hanging] = events(pool, 1, 'hangs', group.id);
    const [good] = events(pool, 1, 'tally', group.id);
    hanging?.post();
    await journal.until('hangs');
    good?.post();
    await within(group.teardown(4), 'the end');
    expect(journal.all('aborted')).toHaveLength(1);
    expect(journal.all('last')).toMatchObject([{ reason: { type: 'teardown', detail: 4 } }]);
  });
});

describe('a handler and the other connections of its group (106)', () => {
  async function upstream(reply: (text: string) => string): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => {}).on('data', (bytes) => socket.write(reply(bytes.toString())));
      afterTest(() => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterTest(() => new Promise((resolve) => server.close(resolve)));
    return (server.address() as { port: number }).port;
  }

  async function paired(journal: Journal, pool: Pool, port: number): Promise<Client> {
    const client = await openClient(await listen(pool, 'near'));
    client.write(JSON.stringify({ port }));
    await journal.until('paired');
    return client;
  }

  it('writes to what is being connected, and both sides use each other', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const client = await paired(journal, pool, await upstream((text) => `<${text}>`));
    expect((await client.read(7)).toString()).toBe('<early>');
    for (let round = 0; round < 50; round++) {
      client.write('hello');
      expect((await client.read(7)).toString()).toBe('<hello>');
    }
    expect(journal.all('far open')).toMatchObject([{ peers: 1 }]);
    expect(journal.all('near').every(({ peers }) => peers === 1)).toBe(true);
    expect(journal.counted(OVERLAP)).toBe(0);
    await client.close();
    await journal.until('near closed');
  });

  it('hears that it could not be connected', async () => {
    const { pool, journal } = await openPool('groups');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const client = await paired(journal, pool, port);
    expect((await client.rest()).toString()).toBe('ECONNREFUSED');
    await journal.until('far closed');
  });

  it('ends them, and they hear of it', async () => {
    const { pool, journal } = await openPool('groups', { minThreads: 3 });
    const group = pool.group();
    const server = await listen(pool, 'echo', { group });
    const [one, ...rest] = await openClients(server, 4);
    for (const client of rest) await tell(client, 'hello');
    one?.write('drop');
    await Promise.all(rest.map((client) => client.over()));
    expect(await journal.until('close', 3)).toMatchObject(rest.map(() => ({ type: 'destroyed' })));
    await until(() => group.size === 1, 'one member');
    expect(journal.counted(OVERLAP)).toBe(0);
    await group.teardown();
  });
});

describe('what is wrong is refused', () => {
  it('groups of other pools, ended ones, ids of nothing', async () => {
    const { pool } = await openPool('groups');
    const { pool: other } = await openPool('groups');
    const [mine, foreign] = [pool.group(), other.group()];
    const event = pool.userEvent({ handler: 'tally' });
    await expect(foreign.add(event)).rejects.toThrow(refused('ERR_WAKEONE_OTHER_POOL'));
    await expect(foreign.remove(event)).rejects.toThrow(refused('ERR_WAKEONE_OTHER_POOL'));
    expect(() => pool.userEvent({ handler: 'tally', group: foreign })).toThrow(
      refused('ERR_WAKEONE_OTHER_POOL'),
    );
    await expect(pool.connect({ port: 1, handler: 'echo', group: foreign })).rejects.toThrow(
      refused('ERR_WAKEONE_OTHER_POOL'),
    );
    await expect(listen(pool, 'echo', { group: foreign })).rejects.toThrow(refused('ERR_WAKEONE_OTHER_POOL'));
    for (const id of [null, 7, {}, { source: 0, generation: 0 }, { source: 2 ** 30, generation: 0 }]) {
      expect(() => pool.userEvent({ handler: 'tally', group: id as GroupId })).toThrow(
        refused('ERR_WAKEONE_INVALID_ARGUMENT'),
      );
    }
    expect(() => pool.userEvent({ handler: 'tally', group: event.id })).toThrow(
      refused('ERR_WAKEONE_INVALID_ARGUMENT'),
    );
    await expect(mine.add(undefined as never)).rejects.toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
    const server = await listen(pool, 'echo');
    await expect(mine.add(server)).rejects.toThrow(refused('ERR_WAKEONE_HANDLER_KIND'));
    await mine.add(event);
    const third = pool.group();
    await expect(third.add(event)).rejects.toThrow(refused('ERR_WAKEONE_IN_GROUP'));
    await Promise.all([mine.teardown(), third.teardown()]);
    await expect(mine.add(event)).rejects.toThrow(refused('ERR_WAKEONE_STALE_REGISTRATION'));
    expect(() => pool.userEvent({ handler: 'tally', group: mine })).toThrow(
      refused('ERR_WAKEONE_STALE_REGISTRATION'),
    );
    expect(() => pool.group({ transient: 1 } as never)).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
    await foreign.teardown();
  });
});

it('pool.close() drains members through their groups', async () => {
  const { pool, journal } = await openPool('groups', { minThreads: 2 });
  const group = pool.group();
  const server = await listen(pool, 'echo', { group });
  const clients = await openClients(server, 8);
  events(pool, 4, 'tally', group.id).forEach((event) => event.post());
  for (const client of clients) await tell(client, 'hello');
  for (const client of clients) client.write('last words');
  const closed = pool.close({ timeoutMs: 8000 });
  for (const client of clients) {
    expect((await client.rest()).toString()).toBe('last words');
    client.socket.end();
  }
  await closed;
  expect(journal.counted(OVERLAP)).toBe(0);
  expect(journal.all('close')).toHaveLength(8);
});
