/** What a server does when a worker dies in one of its handlers (G9). */
import { describe, expect, it } from 'vitest';
import { openClient } from './client.ts';
import { guardPools, listen, openPool } from './pools.ts';

guardPools();

describe.each(['edge', 'oneshot'] as const)('a worker that dies in a handler, in mode %s,', (mode) => {
  it('ends the connection that it was opening, which hears of it, and not the server', async () => {
    const { pool, journal } = await openPool('dies');
    const server = await listen(pool, 'first', { mode });
    const lost = await openClient(server);
    await lost.over();
    expect(await journal.until('close')).toMatchObject([{ type: 'worker-died' }]);
    const client = await openClient(server);
    client.write('still here');
    expect((await client.read(10)).toString()).toBe('still here');
    expect(server.connections).toBe(1);
  });

  it('does not give back again what its handler had taken', async () => {
    const { pool, journal } = await openPool('dies');
    const server = await listen(pool, 'reader', { mode });
    const client = await openClient(server);
    const taken = (): number => pool.stats().workers.reduce((sum, worker) => sum + worker.handled, 0);
    client.write('x');
    while (taken() === 0) await new Promise((resolve) => setImmediate(resolve));
    client.write('y');
    await client.over();
    expect(await journal.until('close')).toMatchObject([{ type: 'worker-died', left: 0 }]);
  });
});
