/** Scenarios 26-30 and 33: forcing the last delivery, and what may not happen after it. */
import { describe, expect, it } from 'vitest';
import { createPool } from 'wakeone';
import { pipe, read, socketPair, write } from '../support/libc.ts';
import { Field, type Probe, stepsOf } from './support/probe.ts';
import { Random } from './support/random.ts';
import { inWorld, LONG_MS, MODES, PROBE_HANDLERS, times, type World } from './support/world.ts';

const EAGAIN = -11;
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

/** Busy for up to `most` microseconds: moves two threads against each other. */
function dither(random: Random, most: number): void {
  const until = performance.now() + random.below(most) / 1000;
  while (performance.now() < until);
}

describe.each(MODES)('in %s mode', (mode) => {
  it('a teardown of an idle fd is one last event, then none, and the number is free (26)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const { registration, probe } = world.add(fd, { handler: 'drain', mode });
      await registration.teardown(1234);
      expect([probe.count, probe.last]).toEqual([0, 1]);
      expect([probe.reason, probe.get(Field.DETAIL)]).toEqual(['teardown', 1234]);
      expect(registration.active).toBe(false);
      await world.eventually(() => world.pool.stats().registered === 0, 'it is not counted any more');
      world.fire(fd);
      await world.settle();
      expect([probe.count, probe.last]).toEqual([0, 1]);
      const { probe: next } = world.add(fd, { handler: 'drain', mode });
      await world.until(() => next.bytes === 8, 'a new registration hears what the old one did not');
    });
  });

  it('a worker tears down a registration of another one (26)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const { registration, probe } = world.add(fd, { handler: 'drain', mode });
      const trigger = world.eventfd();
      const { probe: killer } = world.add(trigger, { handler: 'killer', mode });
      killer.set(Field.TARGET_FD, fd);
      killer.set(Field.TARGET_GENERATION, registration.generation);
      killer.permit();
      world.fire(trigger);
      await registration.ended();
      expect([probe.last, probe.reason, probe.get(Field.DETAIL)]).toEqual([1, 'teardown', 7]);
    });
  });

  it('a teardown while the handler runs neither interrupts nor overtakes it (27)', async () => {
    await inWorld({ minThreads: 3 }, async (world) => {
      for (const handler of ['gated', 'drainThenGate', 'gatedIdle', 'patient']) {
        const [ours, peer] = world.keep(...socketPair());
        const { registration, probe } = world.add(ours, { handler, mode });
        world.send(peer, 'data');
        await world.until(() => probe.get(Field.GATED) === 1, 'the handler runs');
        const ended = registration.teardown(3);
        await world.settle();
        expect([probe.running, probe.last]).toEqual([true, 0]);
        world.send(peer, 'more');
        await world.settle();
        probe.permit();
        await ended;
        expect([probe.count, probe.last, probe.get(Field.DETAIL)]).toEqual([1, 1, 3]);
      }
    });
  });

  it(
    'of many teardowns, ends and re-arms at the same time exactly one last event comes (28)',
    async () => {
      const random = new Random();
      await inWorld({ minThreads: 3 }, async (world) => {
        const trigger = world.eventfd();
        const { probe: killer } = world.add(trigger, { handler: 'killer', mode });
        for (let round = 1; round <= times(400, 1_000_000); round++) {
          const [ours, peer] = world.keep(...socketPair());
          const handler = random.pick([
            'drain',
            'ending',
            'rearming',
            'idle',
            'connection',
            'obedient',
            'rejecting',
          ]);
          const { registration, probe } = world.add(
            ours,
            { handler, mode, ownership: 'own', rearm: handler === 'rearming' ? 'manual' : 'auto' },
            world.probeAgain(round),
          );
          if (random.below(2) === 0) {
            killer.set(Field.TARGET_FD, ours);
            killer.set(Field.TARGET_GENERATION, registration.generation);
          }
          killer.permit();
          world.fire(trigger);
          const causes: (() => unknown)[] = [
            () => world.has(peer) && write(peer, Buffer.from('x')),
            () => world.close(peer),
            () => void registration.teardown(1),
            () => void registration.teardown(2),
            () => registration.active && enable(registration),
          ];
          while (causes.length > 0) {
            causes.splice(random.below(causes.length), 1)[0]?.();
            dither(random, 60);
          }
          await registration.ended();
          // A connection that was torn down before its first turn never was.
          expect(probe.last).toBe(handler === 'connection' ? probe.get(Field.OPENS) : 1);
          expect(registration.active).toBe(false);
          await world.until(() => killer.get(Field.DONE) === round, 'the other teardown is over too');
        }
        expect(await unexpectedErrors(world)).toEqual([]);
      });
    },
    LONG_MS,
  );

  it.each(['lingering', 'lingeringAsync'])(
    'an owned descriptor is open until its last handler (%s) is done, and then closed (29)',
    async (handler) => {
      await inWorld({}, async (world) => {
        const [ours, peer] = world.keep(...socketPair());
        const file = world.fileOf(ours);
        const { registration, probe } = world.add(ours, { handler, mode, ownership: 'own' });
        const ended = registration.teardown();
        await world.until(() => probe.last === 1, 'the last handler runs');
        world.send(peer, 'last words');
        await world.settle();
        expect(registration.active).toBe(false);
        expect(world.fileOf(ours)).toBe(file);
        expect(read(peer, Buffer.alloc(1))).toBe(EAGAIN);
        // The number belongs to the slot until the end.
        expect(() => world.pool.add(ours, { handler: 'drain' })).toThrow(code('ERR_WAKEONE_FD_IN_USE'));
        probe.permit();
        await ended;
        expect([probe.bytes, probe.count, probe.last]).toEqual([10, 0, 1]);
        expect(world.fileOf(ours)).not.toBe(file);
        expect(read(peer, Buffer.alloc(1))).toBe(0);
      });
    },
  );

  it('a borrowed descriptor stays open and is ready for the next one (29)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      for (let round = 0; round < 20; round++) {
        const { registration, probe } = world.add(reader, { handler: 'drain', mode });
        world.send(writer, 'abc');
        await world.until(() => probe.bytes === 3, 'it is read');
        await registration.teardown();
        expect(world.native.statusFlags(reader)).toBeGreaterThanOrEqual(0);
      }
    });
  });

  it('a handler ends its own registration (30)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const file = world.fileOf(ours);
      const { registration, probe } = world.add(ours, { handler: 'ending', mode, ownership: 'own' });
      world.send(peer, 'onetwo');
      await registration.ended();
      expect([probe.count, probe.last, probe.bytes]).toEqual([1, 1, 6]);
      expect([probe.reason, probe.get(Field.DETAIL)]).toEqual(['teardown', 42]);
      expect(world.fileOf(ours)).not.toBe(file);
    });
  });

  it.each(['throwing', 'rejecting'])(
    'a handler that is %s ends its registration, and the pool says so (30)',
    async (handler) => {
      await inWorld({}, async (world) => {
        const heard: unknown[] = [];
        world.pool.on('handlerError', (error, { fd }) => heard.push([fd, (error as Error).message]));
        const fd = world.eventfd();
        const { registration, probe } = world.add(fd, { handler, mode });
        world.fire(fd);
        await registration.ended();
        expect([probe.count, probe.last, probe.reason]).toEqual([1, 1, 'teardown']);
        await world.eventually(() => heard.length > 0, 'the pool emits the error');
        expect(heard).toEqual([[fd, expect.stringMatching(/on purpose/)]]);
        await world.settle();
      });
    },
  );

  it('handlers that end others, queued, in the ring or in the same batch: none of those runs later (30)', async () => {
    await inWorld({ minThreads: 3 }, async (world) => {
      const count = times(400, 2500);
      const all = Array.from({ length: count }, () => {
        const fd = world.eventfd();
        return { fd, ...world.add(fd, { handler: 'killer', mode }) };
      });
      all.forEach(({ probe }, i) => {
        const target = all[(i + 1) % count]?.registration;
        probe.set(Field.TARGET_FD, target?.fd ?? -1);
        probe.set(Field.TARGET_GENERATION, target?.generation ?? -1);
        probe.permit();
      });
      for (const { fd } of all) world.fire(fd);
      const over = ({ probe }: { readonly probe: Probe }): boolean =>
        probe.last === 1 || probe.get(Field.DONE) === 1;
      await world.until(() => all.every(over), 'each was handled or ended');
      await world.settle();
      expect(all.some(({ probe }) => probe.last === 1)).toBe(true);
      for (const { probe } of all) expect(probe.count).toBeLessThanOrEqual(1);
    });
  });

  it('closing a pool whose workers all wait is a matter of moments (33)', async () => {
    for (const how of ['close', 'destroy'] as const) {
      await inWorld({ minThreads: 8 }, async (world) => {
        const [ours, peer] = world.keep(...socketPair());
        const connection = world.add(ours, { handler: 'connection', mode });
        const bare = world.add(world.eventfd(), { handler: 'drain', mode });
        await world.settle();
        const start = performance.now();
        await (how === 'close' ? world.pool.close() : world.pool.destroy());
        expect(performance.now() - start).toBeLessThan(1500);
        expect(world.pool.open).toBe(false);
        const reason = how === 'close' ? 'pool-closed' : 'pool-destroyed';
        for (const { probe, registration } of [connection, bare]) {
          expect([probe.last, probe.reason]).toEqual([1, reason]);
          expect(registration.active).toBe(false);
          expect(() => registration.enable()).toThrow(code('ERR_WAKEONE_STALE_REGISTRATION'));
          await registration.teardown();
        }
        expect(stepsOf(connection.probe)).toEqual(['open', 'close']);
        expect(() => world.pool.add(peer, { handler: 'drain' })).toThrow(code('ERR_WAKEONE_POOL_CLOSED'));
        await expect(world.pool.listen({ port: 0, handler: 'connection' })).rejects.toEqual(
          code('ERR_WAKEONE_POOL_CLOSED'),
        );
        await Promise.all([world.pool.close(), world.pool.destroy()]);
      });
    }
  });
});

describe('a pool', () => {
  it('can be made and closed again and again, also at once (33)', async () => {
    for (let round = 0; round < times(10, 500); round++) {
      await inWorld({ minThreads: 1 + (round % 3) }, async () => {});
    }
    const pool = await createPool({ handlers: PROBE_HANDLERS, minThreads: 2, workerData: emptyData() });
    const both = Promise.all([pool.close(), pool.close(), pool.destroy()]);
    await both;
    expect(pool.open).toBe(false);
  });
});

function emptyData(): object {
  return { memory: new SharedArrayBuffer(4096), field: Field, stride: 32, reasons: [] };
}

function enable(registration: { enable(): void }): void {
  try {
    registration.enable();
  } catch (error) {
    expect(error).toEqual(code('ERR_WAKEONE_STALE_REGISTRATION'));
  }
}

/** Errors of handlers that nobody threw on purpose. */
async function unexpectedErrors(world: World): Promise<unknown[]> {
  await world.settle();
  return world.errors.filter((error) => !(error instanceof Error && error.message.includes('on purpose')));
}
