/**
 * Ending and changing connections from elsewhere: the main thread, other workers, many at once; detaching. Scenarios 101,
 * 105 (without a timer), and of the issue: `teardown`, `registration(id)`, `disable`, `enable`, `detach`.
 */
import { describe, expect, it } from 'vitest';
import type { RegistrationId } from 'wakeone';
import { type Client, openClient, openClients, portOf } from './client.ts';
import { until, within } from './deadline.ts';
import { guardPools, listen, openPool, STRESS } from './pools.ts';

const MODES = ['edge', 'oneshot'] as const;
const GATE = 3;

guardPools();

async function idOf(client: Client): Promise<RegistrationId> {
  const { fd, generation } = await client.ask({ do: 'who' });
  return { fd: Number(fd), generation: Number(generation) };
}

describe.each(MODES)('a connection in mode %s', (mode) => {
  it('is torn down by the main thread while it is idle', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    const registration = pool.registration(await idOf(client));
    expect(registration.active).toBe(true);
    await within(registration.teardown(17), 'the teardown');
    expect(registration.active).toBe(false);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 17 }]);
    expect((await client.rest()).length).toBe(0);
    // Any number of times; at once now.
    await registration.teardown(18);
    expect(journal.all('close').length).toBe(1);
    expect(() => registration.enable()).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' }),
    );
    expect(() => registration.disable()).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' }),
    );
  });

  it('is torn down by a handler in another worker while its own handler runs, and that is not interrupted', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const [victim, killer] = await openClients(server, 2);
    if (victim === undefined || killer === undefined) throw new Error('no clients');
    const id = await idOf(victim);
    victim.write('{"do":"hold","gate":3}\n');
    const [holding] = await journal.until('holding');
    await killer.ask({ do: 'teardown', id, detail: 4 });
    const { worker } = await killer.ask({ do: 'who' });
    expect(worker).not.toBe(holding?.worker);
    expect(journal.all('close')).toEqual([]);
    journal.set(GATE, 1);
    await journal.until('torn');
    const of = (fd: number): string[] =>
      journal.entries.filter((entry) => entry.fd === fd).map((entry) => entry.on);
    expect(of(id.fd)).toEqual(['open', 'data', 'data', 'holding', 'released', 'close', 'torn']);
    expect(JSON.parse(await victim.line())).toEqual({ held: true });
    expect((await victim.rest()).length).toBe(0);
    expect(await killer.ask({ do: 'modify', id })).toEqual({ code: 'ERR_WAKEONE_STALE_REGISTRATION' });
  });

  it('is closed once however many end it at the same moment', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const rounds = STRESS ? 2000 : 60;
    for (let round = 1; round <= rounds; round++) {
      const client = await openClient(server);
      const registration = pool.registration(await idOf(client));
      const ends = [registration.teardown(1), registration.teardown(2)];
      if (round % 4 === 0) client.reset();
      if (round % 4 === 1) client.socket.end();
      if (round % 4 === 2) client.write('{"do":"destroy"}\n');
      ends.push(registration.teardown(3));
      await within(Promise.all(ends), 'the teardowns');
      expect(registration.active).toBe(false);
      if (round % 4 !== 0) await client.over();
      await client.close();
    }
    // One close for each open: no pair of fd and generation comes twice.
    const closed = journal.all('close').map(({ fd, generation }) => `${fd}/${generation}`);
    expect(closed.length).toBe(rounds);
    expect(new Set(closed).size).toBe(rounds);
  });

  it('is not reached through the id of an earlier connection with the same number', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const first = await openClient(server);
    const old = pool.registration(await idOf(first));
    first.socket.end();
    await journal.until('close');
    await old.ended();
    await until(() => first.closed, 'the first client is closed');
    // The clients of this process take numbers too: all that the first one had is free before the second comes.
    await first.close();
    let second = await openClient(server);
    let id = await idOf(second);
    for (let i = 0; i < 100 && id.fd !== old.fd; i++) {
      await pool.registration(id).teardown();
      await second.close();
      second = await openClient(server);
      id = await idOf(second);
    }
    expect(id.fd).toBe(old.fd);
    expect(id.generation).not.toBe(old.generation);
    await old.teardown(9);
    expect(() => old.disable()).toThrow(expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' }));
    expect((await second.ask({ do: 'who' }))['fd']).toBe(id.fd);
  });

  it('gets no data while it is disabled, and all of it when it is enabled', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    const registration = pool.registration(await idOf(client));
    for (let round = 0; round < 20; round++) {
      const { taken } = totals(pool.stats().workers);
      registration.disable();
      await until(() => totals(pool.stats().workers).taken > taken, 'the turn that disables');
      const seen = journal.all('data').length;
      client.write('{"do":"who"}\n');
      // Another connection has its turn after that: the silent one would have had its own by then.
      const other = await openClient(portOf(await listen(pool, 'scripted', { mode })));
      await other.ask({ do: 'who' });
      expect(journal.all('data').length).toBe(seen + 1);
      registration.enable();
      expect(JSON.parse(await client.line())).toMatchObject({ fd: registration.fd });
    }
  });

  it('that is disabled can be torn down', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    const registration = pool.registration(await idOf(client));
    registration.disable();
    client.write('unread');
    await within(registration.teardown(1), 'the teardown');
    expect(journal.all('close').length).toBe(1);
    await client.over();
  });

  it('is offered its unread rest again when it is enabled', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    const registration = pool.registration(await idOf(client));
    client.write('{"do":"keep"}\n{"do":"who"}\n');
    await journal.until('data', 2);
    expect(client.received).toBe(0);
    registration.enable();
    expect(JSON.parse(await client.line())).toMatchObject({ fd: registration.fd });
  });

  it('leaves the pool by detach() with its unread input, and its socket lives on', async () => {
    const { pool, journal } = await openPool('detaches');
    const server = await listen(pool, 'leaves', { mode, maxConnections: 1 });
    for (let round = 1; round <= 3; round++) {
      const client = await openClient(server);
      client.write('take me,');
      expect((await client.read(20)).toString()).toBe('detached:take me,and');
      client.write('more');
      expect((await client.read(8)).toString()).toBe('net:more');
      await journal.until('close', round);
      await client.close();
      await journal.until('socketClosed', round);
    }
    expect(journal.all('close').map((entry) => entry['type'])).toEqual(Array(3).fill('detached'));
    expect(journal.all('refused').map((entry) => entry['code'])).toEqual(
      Array(3).fill('ERR_WAKEONE_NOT_OWNER'),
    );
  });

  it('cannot be detached while output is unsent', async () => {
    const { pool, journal } = await openPool('detaches');
    const client = await openClient(await listen(pool, 'full', { mode }));
    client.socket.pause();
    client.write('x');
    expect(await journal.until('pending')).toMatchObject([{ code: 'ERR_WAKEONE_OUTPUT_PENDING' }]);
    client.socket.resume();
  });
});

describe('pool.registration()', () => {
  it.each([[-1], [1.5], [Number.NaN], [2 ** 31], ['3'], [undefined]])('refuses the fd %s', async (fd) => {
    const { pool } = await openPool('scripted', { minThreads: 1 });
    expect(() => pool.registration({ fd: fd as number, generation: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_FD' }),
    );
  });

  it('of a forged generation ends nothing', async () => {
    const { pool } = await openPool('scripted', { minThreads: 1 });
    const client = await openClient(await listen(pool, 'scripted'));
    const { fd, generation } = await idOf(client);
    // Nothing was ever registered under this number.
    await within(pool.registration({ fd: 700, generation: 0 }).teardown(), 'nothing');
    for (const forged of [generation + 1, generation - 1, generation + 2 ** 13, 2 ** 31 - 1]) {
      await within(pool.registration({ fd, generation: forged }).teardown(), 'nothing');
    }
    expect((await client.ask({ do: 'who' }))['fd']).toBe(fd);
  });

  it('refuses details that are no 16 bits', async () => {
    const { pool } = await openPool('scripted', { minThreads: 1 });
    const client = await openClient(await listen(pool, 'scripted'));
    const registration = pool.registration(await idOf(client));
    for (const detail of [-1, 65_536, 1.5, '1' as never]) {
      await expect(registration.teardown(detail)).rejects.toMatchObject({
        code: 'ERR_WAKEONE_INVALID_ARGUMENT',
      });
    }
    await client.ask({ do: 'who' });
  });
});

function totals(workers: readonly { readonly taken: number }[]): { readonly taken: number } {
  return { taken: workers.reduce((sum, worker) => sum + worker.taken, 0) };
}
