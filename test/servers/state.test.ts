/**
 * States on real threads and sockets: the same in every worker, whoever registers; zero at the beginning and for the next of the
 * same number; unharmed by the death of a worker that had others; there until the end, and only in turns.
 */
import { describe, expect, it } from 'vitest';
import type { RegistrationId } from 'wakeone';
import { openNative } from '../../src/native/index.ts';
import { type Client, openClient, openClients } from './client.ts';
import { until } from './deadline.ts';
import { Guest } from './guest.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

const GATE = 1;
const HELD = 2;
const TOLD = 3;
const MODES = ['edge', 'oneshot'] as const;
const ROUNDS = STRESS ? 2000 : 50;
const native = openNative();
const NOT_OWNER = 'ERR_WAKEONE_NOT_OWNER';

guardPools();

/** Sends a line and takes the answer. */
async function ask(client: Client | undefined, line = 'x'): Promise<string> {
  client?.write(`${line}\n`);
  return (await client?.line()) ?? '';
}

const bitsOf = (set: number): number => set.toString(2).replaceAll('0', '').length;

describe.each(MODES)('connections in mode %s', (mode) => {
  it('count all their messages, in whichever of four workers these come', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 4, concurrency: 4 });
    const server = await listen(pool, 'counting', { mode });
    const clients = await openClients(server, 24);
    const sent = clients.map(() => 0);
    for (let round = 0; round < ROUNDS; round++) {
      const some = [...clients.keys()].filter((i) => (i * 5 + round) % 3 !== 0);
      // Several at once: some come together, some in turns of their own.
      for (const i of some) clients[i]?.write('x\nyy\nzzz\n');
      for (const i of some)
        for (const length of [2, 3, 4]) {
          const before = sent[i] ?? 0;
          sent[i] = before + 1;
          const bytes = Math.floor(before / 3) * 9 + [2, 5, 9][length - 2]!;
          expect(await clients[i]?.line()).toBe(`${before + 1} ${bytes} true -`);
        }
    }
    await server.registration.teardown();
    for (const client of clients) await client.close();
    const closed = await journal.until('close', clients.length);
    const counted = closed.map(({ messages }) => Number(messages));
    expect(counted.toSorted((a, b) => a - b)).toEqual(sent.toSorted((a, b) => a - b));
    // They have really been about.
    expect(Math.max(...closed.map(({ workers }) => bitsOf(Number(workers))))).toBeGreaterThan(1);
  });

  it('begin with zeroes, also with the number of one that has ended', async () => {
    const { pool, journal } = await openPool('state');
    const server = await listen(pool, 'counting', { mode });
    for (let round = 1; round <= 5; round++) {
      const clients = await openClients(server, 4);
      for (const client of clients) {
        expect(await ask(client, 'name wake')).toBe('1 10 true wake');
        expect(await ask(client)).toBe('2 12 true wake');
      }
      for (const client of clients) await client.close();
      await journal.until('close', 4 * round);
    }
    const opened = journal.all('open');
    expect(opened.every(({ zero }) => zero === true)).toBe(true);
    expect(new Set(opened.map(({ fd }) => fd)).size).toBeLessThan(opened.length);
  });

  it('of two handlers have two records', async () => {
    const { pool } = await openPool('state');
    const servers = await Promise.all(['counting', 'small'].map((name) => listen(pool, name, { mode })));
    const pairs = await Promise.all([0, 1, 2, 3].map((i) => openClient(servers[i % 2]!)));
    for (let round = 1; round <= 5; round++)
      for (const [i, client] of pairs.entries())
        expect(await ask(client)).toBe(i % 2 === 0 ? `${round} ${2 * round} true -` : `${round} ${-round}`);
  });

  it('keep what they have when a worker dies, and its successor finds it', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 1, concurrency: 1 });
    pool.on('workerExit', () => {});
    const server = await listen(pool, 'counting', { mode });
    const [victim, ...others] = await openClients(server, 5);
    for (const client of [victim, ...others]) expect(await ask(client, 'name me')).toBe('1 8 true me');
    victim?.write('die\n');
    // Its last handler sees what the dead one has left.
    const [closed] = await journal.until('close');
    expect(closed).toMatchObject({ type: 'worker-died', messages: 2, bytes: 12 });
    for (const client of others) expect(await ask(client)).toBe('2 10 true me');
    for (const client of await openClients(server, 5)) expect(await ask(client)).toBe('1 2 true -');
    expect(journal.all('open').every(({ zero }) => zero === true)).toBe(true);
  });

  it('have it in their last handler, whatever the end', async () => {
    const { pool, journal } = await openPool('state');
    const server = await listen(pool, 'counting', { mode });
    const [one, two, three] = await openClients(server, 3);
    for (const client of [one, two, three]) await ask(client);
    one?.socket.end();
    two?.reset();
    expect((await journal.until('close', 2)).map(({ messages }) => messages)).toEqual([1, 1]);
    await pool.close();
    expect(journal.all('close').map(({ messages }) => messages)).toEqual([1, 1, 1]);
  });
});

describe('a bare descriptor', () => {
  it('has its state, also in the last delivery; the same one registered again has a new one', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 3, concurrency: 3 });
    const fd = native.eventfd();
    afterTest(() => native.close(fd));
    for (let round = 0; round < 3; round++) {
      const registration = pool.add(fd, { handler: 'raw' });
      for (let i = 1; i <= 4; i++) {
        native.signal(fd);
        await journal.until('raw', 5 * round + i);
      }
      await registration.teardown();
    }
    expect(journal.all('raw').map(({ calls, last }) => [calls, last])).toEqual(
      [0, 1, 2].flatMap(() => [1, 2, 3, 4, 5].map((call) => [call, call === 5])),
    );
  });

  it('has zeroes again after its worker has died in a turn', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 1, concurrency: 1 });
    pool.on('workerExit', () => {});
    const fd = native.eventfd();
    afterTest(() => native.close(fd));
    const registration = pool.add(fd, { handler: 'dies' });
    for (let i = 0; i < 3; i++) registration.trigger(1);
    await registration.ended();
    const later = pool.add(fd, { handler: 'dies' });
    await later.teardown();
    expect(journal.all('died').map(({ type, calls }) => [type, calls])).toEqual([
      ['worker-died', 5],
      ['teardown', 0],
    ]);
  });

  it('has one as well that an attached Worker has registered', async () => {
    const { pool, journal } = await openPool('state');
    const guest = await Guest.attachedTo(pool);
    const fd = native.eventfd();
    for (let round = 0; round < 2; round++) {
      if (round > 0) await guest.order('teardown', 0);
      await guest.order('add', [fd, { handler: 'raw', ownership: round === 0 ? 'borrow' : 'own' }]);
      native.signal(fd);
      await journal.until('raw', 2 * round + 1);
    }
    await guest.order('teardown', 0);
    expect((await journal.until('raw', 4)).map(({ calls }) => calls)).toEqual([1, 2, 1, 2]);
  });
});

describe('sources without a descriptor', () => {
  it('user events, timers and items have states of their own, and new ones in used places', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 3, concurrency: 3, maxSources: 3 });
    for (let round = 0; round < 3; round++) {
      const event = pool.userEvent({ handler: 'told', merge: 'count' });
      const timer = pool.timer({ handler: 'tick', everyMs: 1 });
      for (let i = 0; i < 10; i++) event.post();
      await journal.until('told', 11 * round + 10);
      expect(pool.post('item', 4)).toBe(true);
      await journal.until('item', round + 1);
      await timer.ended();
      await event.teardown();
    }
    const series = Array.from({ length: 10 }, (_, i) => i + 1);
    const told = journal.all('told').map(({ calls, sum }) => `${String(calls)} ${String(sum)}`);
    expect(told).toEqual([0, 1, 2].flatMap(() => [...series.map((i) => `${i} ${i}`), '11 10']));
    expect(journal.all('tick').map(({ calls }) => calls)).toEqual([0, 1, 2].flatMap(() => [1, 2, 3, 4, 5]));
    expect(journal.all('item').map(({ calls, sum }) => [calls, sum])).toEqual([0, 1, 2].map(() => [1, 4]));
  });
});

describe('a group', () => {
  it('has a state that all its members count in, and they have theirs', async () => {
    const { pool, journal } = await openPool('state', { minThreads: 4, concurrency: 4 });
    const group = pool.group();
    const server = await listen(pool, 'member', { group });
    const clients = await openClients(server, 8);
    const bell = pool.userEvent({ handler: 'bell', group, merge: 'count' });
    for (let round = 0; round < ROUNDS; round++) {
      for (const client of clients) client.write('x\n');
      bell.post();
      const said = await Promise.all(clients.map(async (client) => (await client.line()).split(' ')));
      expect(said.map(([mine]) => Number(mine))).toEqual(clients.map(() => round + 1));
      const numbers = said.map(([, all]) => Number(all)).toSorted((a, b) => a - b);
      expect(numbers).toEqual(clients.map((_, i) => round * clients.length + i + 1));
    }
    await journal.until('bell', ROUNDS);
    expect(journal.all('bell').map(({ rung }) => rung)).toEqual(
      Array.from({ length: ROUNDS }, (_, i) => i + 1),
    );
    expect(journal.counted(TOLD)).toBe(0);
    await group.teardown();
    expect(journal.all('left').map(({ said }) => said)).toEqual(clients.map(() => ROUNDS * clients.length));
  });

  it('begins with zeroes, and so does the next in its place', async () => {
    const { pool, journal } = await openPool('state', { maxSources: 2 });
    for (let round = 1; round <= 4; round++) {
      const group = pool.group();
      const bell = pool.userEvent({ handler: 'bell', group });
      bell.post();
      await journal.until('bell', round);
      await group.teardown();
    }
    expect(journal.all('bell').map(({ rung, said }) => [rung, said])).toEqual([1, 2, 3, 4].map(() => [1, 0]));
  });

  it('is the turn’s that has joined it, if it has: not that of one that waits for another’s handler', async () => {
    const { pool, journal } = await openPool('state');
    const client = await openClient(await listen(pool, 'joins'));
    expect([await ask(client, 'new'), await ask(client, 'again')]).toEqual(['none', '1']);
    const group = pool.group();
    const bell = pool.userEvent({ handler: 'holds', group });
    bell.post();
    await journal.untilCounted(HELD, 1);
    const late = await openClient(await listen(pool, 'joins'));
    expect(await ask(late, JSON.stringify(group.id))).toBe(NOT_OWNER);
    journal.set(GATE, 1);
    await until(() => group.size === 2, 'the member');
    expect(await ask(late, 'again')).toBe('7');
    // Nobody has it outside of turns.
    expect(() => group.state).toThrow(expect.objectContaining({ code: NOT_OWNER }));
    await group.teardown();
  });
});

describe('what a handler has kept', () => {
  it('cannot be used in a later turn; what was misspelt is told', async () => {
    const { pool } = await openPool('state', { minThreads: 1, concurrency: 1 });
    const client = await openClient(await listen(pool, 'keeps'));
    expect(await ask(client)).toBe('kept');
    expect(await ask(client)).toBe(`${`${NOT_OWNER} `.repeat(6)}TypeError 1 1`);
  });

  it('is there for an async handler until that settles, or is given up', async () => {
    const { pool, journal } = await openPool('state', { graceMs: 20 });
    const server = await listen(pool, 'slow');
    const client = await openClient(server);
    for (let i = 1; i <= 3; i++) expect(await ask(client)).toBe(`${i} ${i}`);
    const [{ id } = { id: undefined }] = journal.all('slow');
    await pool.registration(id as RegistrationId).teardown();
    expect(journal.all('slow over')).toMatchObject([{ before: 3, behind: 3 }]);
    expect(await journal.until('late')).toMatchObject([{ code: NOT_OWNER }]);
  });

  it('is nothing without a declaration', async () => {
    const { pool } = await openPool('state');
    expect(await ask(await openClient(await listen(pool, 'plain')))).toBe('none TypeError');
  });
});
