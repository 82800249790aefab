/** Scenarios 88 and 89: arguments that make no sense, handles that are over, handlers that never end. */
import { closeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AddOptions, createPool, type RegistrationId } from 'wakeone';
import { pipe, read, socketPair } from '../support/libc.ts';
import { Field, PROBE_WORDS } from './support/probe.ts';
import { inWorld, MODES, openDescriptors, PROBE_HANDLERS } from './support/world.ts';

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const GRACE_MS = 60;

describe('add()', () => {
  it('refuses what is no descriptor that this pool takes (88)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      for (const fd of [-1, 1.5, NaN, Infinity, 2 ** 31, 4096, '3', null, undefined, {}, 3n] as number[]) {
        for (const mode of MODES) {
          expect(() => world.pool.add(fd, { handler: 'drain', mode })).toThrow(
            code('ERR_WAKEONE_INVALID_FD'),
          );
        }
        expect(() => world.pool.registration({ fd, generation: 0 })).toThrow(code('ERR_WAKEONE_INVALID_FD'));
        expect(world.pool.stats().registered).toBe(0);
      }
    });
  });

  it('refuses a number that is not open, until it is (88)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const number = 4000;
      expect(() => world.pool.add(number, { handler: 'drain' })).toThrow(code('ERR_WAKEONE_BAD_FD'));
      const [fd] = world.keep(world.native.duplicate(world.eventfd(), number));
      expect(fd).toBe(number);
      const { probe } = world.add(fd, { handler: 'drain' });
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'it is served');
    });
  });

  it('refuses the descriptors of the pool itself and of other pools (88)', async () => {
    await inWorld({}, async (world) => {
      const before = openDescriptors();
      const data = { memory: new SharedArrayBuffer(64), field: Field, stride: PROBE_WORDS, reasons: [] };
      const starting = createPool({ handlers: PROBE_HANDLERS, minThreads: 3, workerData: data });
      // The set, the two that wake it and stop it, and one for each worker come first; then those of the threads.
      const all = [...openDescriptors().keys()].filter((fd) => !before.has(fd)).map(Number);
      const own = all.toSorted((a, b) => a - b).slice(0, 3 + 3);
      const other = await starting;
      for (const fd of own) {
        for (const pool of [world.pool, other]) {
          expect(() => pool.add(fd, { handler: 'drain' })).toThrow(code('ERR_WAKEONE_FD_RESERVED'));
        }
      }
      await other.close();
      // Its numbers are anybody's again.
      const fd = own[0] ?? -1;
      const [again] = world.keep(world.native.duplicate(world.eventfd(), fd));
      const { probe } = world.add(again, { handler: 'drain' });
      world.fire(again);
      await world.until(() => probe.bytes === 8, 'the number is served');
    });
  });

  it('refuses options that it does not know, and nothing is armed (88)', async () => {
    const wrong: [string, object | null][] = [
      ['ERR_WAKEONE_INVALID_OPTION', null],
      ['ERR_WAKEONE_UNKNOWN_HANDLER', { handler: 'nobody' }],
      ['ERR_WAKEONE_UNKNOWN_HANDLER', {}],
      ['ERR_WAKEONE_UNKNOWN_HANDLER', { handler: () => {} }],
      ['ERR_WAKEONE_INVALID_EVENTS', { handler: 'drain', events: [] }],
      ['ERR_WAKEONE_INVALID_EVENTS', { handler: 'drain', events: ['in', 'err'] }],
      ['ERR_WAKEONE_INVALID_EVENTS', { handler: 'drain', events: 'in' }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', mode: 'level' }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', cookie: -1 }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', cookie: 2n ** 64n }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', cookie: 0.5 }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', ownership: 'share' }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', rearm: true }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'drain', nonBlocking: 1 }],
      ['ERR_WAKEONE_INVALID_OPTION', { handler: 'connection', allowHalfOpen: 'yes' }],
    ];
    await inWorld({ minThreads: 1 }, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      for (const [error, options] of wrong) {
        expect(() => world.pool.add(reader, options as AddOptions)).toThrow(code(error));
        expect(world.pool.stats().registered).toBe(0);
      }
      const { probe } = world.add(reader, { handler: 'drain' });
      world.send(writer, 'x');
      await world.until(() => probe.bytes === 1, 'the fd is free for a proper registration');
    });
  });
});

describe('a registration', () => {
  it('refuses arguments that it does not know, and stays as it was (88)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const fd = world.eventfd();
      const { registration, probe } = world.add(fd, { handler: 'drain' });
      for (const events of [[], ['hup'], 'in', null, undefined, [1]]) {
        expect(() => registration.modify({ events: events as never })).toThrow(
          code('ERR_WAKEONE_INVALID_EVENTS'),
        );
      }
      for (const change of [undefined, null, 'in', { event: ['in'] }]) {
        expect(() => registration.modify(change as never)).toThrow(code('ERR_WAKEONE_INVALID_OPTION'));
      }
      for (const detail of [-1, 65_536, 0.5, NaN, '1']) {
        await expect(registration.teardown(detail as number)).rejects.toEqual(
          code('ERR_WAKEONE_INVALID_ARGUMENT'),
        );
      }
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'it works');
      expect(registration.active).toBe(true);
    });
  });

  it.each<[string, (id: RegistrationId) => number]>([
    ['of the generation after', ({ generation }) => generation + 1],
    ['of the generation before', ({ generation }) => generation - 1],
    ['whose generation has the same low bits', ({ generation }) => generation + 8192],
  ])('%s is rejected when it is forged (89)', async (_, forge) => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const fd = world.eventfd();
      const { registration, probe } = world.add(fd, { handler: 'drain', rearm: 'manual' });
      const forged = world.pool.registration({ fd, generation: forge(registration.id) });
      world.fire(fd);
      await world.until(() => probe.get(Field.DONE) === 1, 'it is delivered, and not re-armed');
      world.fire(fd);
      expect(forged.active).toBe(false);
      for (const call of [
        () => forged.enable(),
        () => forged.disable(),
        () => forged.modify({ events: ['out'] }),
      ]) {
        expect(call).toThrow(code('ERR_WAKEONE_STALE_REGISTRATION'));
      }
      await forged.teardown();
      expect([registration.active, registration.events, probe.count, probe.last]).toEqual([
        true,
        ['in'],
        1,
        0,
      ]);
      registration.enable();
      await world.until(() => probe.bytes === 16, 'the real one works');
    });
  });
});

it.each([
  ['null', null],
  ['a number', 7],
  ['an fd without a generation', { fd: 7 }],
  ['a generation that is a string', { fd: 7, generation: '1' }],
  ['a generation that is a fraction', { fd: 7, generation: 0.5 }],
])('%s is no id of a registration (88)', async (_, id) => {
  await inWorld({ minThreads: 1 }, (world) => {
    expect(() => world.pool.registration(id as never)).toThrow(code('ERR_WAKEONE_INVALID_ARGUMENT'));
    return Promise.resolve();
  });
});

describe.each(MODES)('an async handler in %s mode', (mode) => {
  it('keeps its fd to itself until it settles, while its worker serves others (89)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { probe } = world.add(ours, { handler: 'patient', mode });
      world.send(peer, 'one');
      await world.until(() => probe.count === 1, 'it has begun');
      world.send(peer, 'two');
      await world.settle();
      expect([probe.count, probe.bytes]).toEqual([1, 0]);
      probe.permit();
      await world.until(() => probe.bytes === 6, 'it goes on');
      world.send(peer, 'three');
      probe.permit(2);
      await world.until(() => probe.bytes === 11, 'and is called again');
    });
  });

  it('hears of a teardown by its signal, and then settles (89)', async () => {
    await inWorld({ minThreads: 1, graceMs: 10_000 }, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { registration, probe } = world.add(ours, { handler: 'obedient', mode });
      world.send(peer, 'x');
      await world.until(() => probe.count === 1, 'it has begun');
      await world.settle();
      await registration.teardown();
      expect([probe.get(Field.ABORTS), probe.count, probe.last]).toEqual([1, 1, 1]);
    });
  });

  it('that never settles loses its event after the grace time, and its fd is closed (89)', async () => {
    await inWorld({ minThreads: 1, graceMs: GRACE_MS }, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { registration, probe } = world.add(ours, { handler: 'stubborn', mode, ownership: 'own' });
      world.send(peer, 'x');
      await world.until(() => probe.count === 1, 'it has begun');
      const start = performance.now();
      await registration.teardown(9);
      const took = performance.now() - start;
      expect(took).toBeGreaterThanOrEqual(GRACE_MS - 2);
      expect(took).toBeLessThan(GRACE_MS + 1000);
      expect([probe.get(Field.ABORTS), probe.last, probe.get(Field.DETAIL)]).toEqual([1, 1, 9]);
      await world.until(() => probe.get(Field.REVOKED) !== 0, 'it tries to go on');
      expect(probe.get(Field.REVOKED)).toBe(1);
      const rest = Buffer.alloc(1);
      // Its unread byte makes the close a reset on some sockets; what matters is that it is closed.
      expect([0, -104]).toContain(read(peer, rest));
      await world.settle();
    });
  });

  it('that never settles though it was the last one does not hold its fd for ever (89)', async () => {
    await inWorld({ minThreads: 1, graceMs: GRACE_MS }, async (world) => {
      const [ours] = world.keep(...socketPair());
      const file = world.fileOf(ours);
      const { registration, probe } = world.add(ours, { handler: 'endless', mode, ownership: 'own' });
      await registration.teardown();
      expect(probe.last).toBe(1);
      expect(world.fileOf(ours)).not.toBe(file);
    });
  });

  it('of a pool that is destroyed is aborted and then left (89)', async () => {
    await inWorld({ minThreads: 2, graceMs: GRACE_MS }, async (world) => {
      const probes = ['obedient', 'stubborn', 'endless'].map((handler) => {
        const [ours, peer] = world.keep(...socketPair());
        const { probe } = world.add(ours, { handler, mode });
        world.send(peer, 'x');
        return probe;
      });
      await world.until(() => probes.every((probe) => probe.count === 1), 'all have begun');
      const start = performance.now();
      await world.pool.destroy();
      expect(performance.now() - start).toBeLessThan(2000);
      expect(probes.map((probe) => probe.last)).toEqual([1, 1, 1]);
      expect(probes.map((probe) => probe.reason)).toEqual(Array(3).fill('pool-destroyed'));
    });
  });

  it('cannot use an event of an earlier delivery (89)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const fd = world.eventfd();
      const { probe } = world.add(fd, { handler: 'hoarder', mode });
      for (let round = 1; round <= 2; round++) {
        world.fire(fd);
        await world.until(() => probe.get(Field.DONE) === round, 'it is delivered');
      }
      expect(probe.get(Field.REVOKED)).toBe(1);
    });
  });
});

describe('a descriptor that is closed behind the back of the pool', () => {
  it.each(['borrow', 'own'] as const)(
    'in its handler ends with that reason when it is re-armed, ownership %s',
    async (ownership) => {
      await inWorld({ minThreads: 1 }, async (world) => {
        const fd = world.eventfd();
        const { registration, probe } = world.add(fd, { handler: 'closing', ownership });
        world.fire(fd);
        world.forget(fd);
        await world.until(() => probe.last === 1, 'its last delivery comes');
        await registration.ended();
        expect([probe.count, probe.reason, registration.active]).toEqual([1, 'fd-gone', false]);
      });
    },
  );

  it.each(MODES)('can still be torn down in %s mode, and the number be used again (88)', async (mode) => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { registration, probe } = world.add(reader, { handler: 'drain', mode });
      world.send(writer, 'x');
      await world.until(() => probe.get(Field.DONE) === 1, 'it works');
      await world.settle();
      world.forget(reader);
      closeSync(reader);
      await registration.teardown();
      expect(probe.last).toBe(1);
      const [again] = world.keep(world.native.duplicate(world.eventfd(), reader));
      const { probe: next } = world.add(again, { handler: 'drain', mode });
      world.fire(again);
      await world.until(() => next.bytes === 8, 'the number is served');
    });
  });
});
