/** Scenarios 11, 13-16 and 100: each event is delivered, once, to one worker at a time, in order. */
import { describe, expect, it } from 'vitest';
import { pipe, read, shutdown, socketPair, write } from '../support/libc.ts';
import { Bit, Field, fnv1a, type Probe, stepsOf } from './support/probe.ts';
import { Random } from './support/random.ts';
import { inWorld, LONG_MS, MODES, times, type World } from './support/world.ts';

const EAGAIN = -11;

/** Writes all of `bytes`; where the reader is slower, goes on when its handler has read something. */
async function sendAll(
  world: World,
  fd: number,
  bytes: Uint8Array,
  probe: Probe,
  piece: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const seen = probe.bytes;
    const sent = write(fd, bytes.subarray(done, done + piece));
    if (sent === EAGAIN) await world.until(() => probe.bytes !== seen, 'the reader goes on');
    else done += sent;
  }
}

describe.each(MODES)('in %s mode', (mode) => {
  it('one fd is never in two handlers, however many workers and writes there are (11)', async () => {
    await inWorld({ minThreads: 4, wakeAtHints: 0 }, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { probe } = world.add(reader, { handler: 'busy', mode });
      const total = times(30_000, 1_000_000);
      await sendAll(world, writer, new Uint8Array(total), probe, 1);
      await world.until(() => probe.bytes === total, 'every byte is read');
      expect(probe.get(Field.VIOLATIONS)).toBe(0);
    });
  });

  it('a burst of as many fds as workers are parked is handled within a second, each once (13)', async () => {
    await inWorld({ minThreads: 10 }, async (world) => {
      const sources = Array.from({ length: 10 }, () => {
        const fd = world.eventfd();
        return { fd, ...world.add(fd, { handler: 'drain', mode }) };
      });
      const parked = (): number =>
        world.pool.stats().workers.filter(({ state }) => state === 'parked').length;
      for (let round = 1; round <= times(40, 300); round++) {
        await world.eventually(() => parked() >= 9, 'the workers are parked');
        const start = performance.now();
        for (const { fd } of sources) world.fire(fd);
        await world.until(
          () => sources.every(({ probe }) => probe.get(Field.DONE) >= round),
          'all are handled',
        );
        expect(performance.now() - start).toBeLessThan(1000);
        for (const { probe } of sources) expect(probe.count).toBe(round);
      }
    });
  });

  it('what becomes ready while the handler runs is one delivery after it (14)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const chunk = Buffer.alloc(4096);
      while (write(ours, chunk) > 0);
      const { registration, probe } = world.add(ours, {
        handler: 'drainThenGate',
        mode,
        events: ['in', 'out'],
      });
      world.send(peer, 'first');
      await world.until(() => probe.get(Field.GATED) === 1, 'the handler has read all');
      expect(probe.get(Field.LATEST)).toBe(Bit.IN);
      while (read(peer, chunk) > 0);
      await world.settle();
      world.send(peer, 'second');
      await world.settle();
      expect(probe.count).toBe(1);
      probe.permit();
      await world.until(() => probe.count === 2, 'there is one more');
      expect(probe.get(Field.LATEST)).toBe(Bit.IN | Bit.OUT);
      await world.until(() => probe.get(Field.GATED) === 2, 'with the data');
      expect(probe.bytes).toBe(11);
      const ended = registration.teardown();
      probe.permit();
      await ended;
      expect(probe.count).toBe(2);
    });
  });

  it.each(['drain', 'single', 'patient', 'connection'])(
    'handler %s gets all bytes of many sources in their order (15)',
    async (handler) => {
      await inWorld({ minThreads: 4, wakeAtHints: 1 }, async (world) => {
        const random = new Random();
        const length = times(
          handler === 'single' ? 1500 : 40_000,
          handler === 'single' ? 100_000 : 4_000_000,
        );
        const sources = Array.from({ length: 8 }, () => {
          const [ours, peer] = world.keep(...socketPair());
          const data = random.bytes(length);
          const { probe } = world.add(ours, { handler, mode });
          probe.permit(1 << 20);
          return { peer, data, probe };
        });
        await Promise.all(
          sources.map(async ({ peer, data, probe }) => {
            for (let done = 0; done < length;) {
              const piece = data.subarray(done, done + random.below(1000) + 1);
              await sendAll(world, peer, piece, probe, piece.length);
              done += piece.length;
              if (random.below(8) === 0) await new Promise((resolve) => setImmediate(resolve));
            }
          }),
        );
        await world.until(
          () => sources.every(({ probe }) => probe.bytes === length),
          'all bytes arrive',
          LONG_MS,
        );
        for (const { data, probe } of sources) expect(probe.get(Field.HASH) >>> 0).toBe(fnv1a(data));
      });
    },
    LONG_MS,
  );

  it('a delivery whose data somebody else took is harmless (16)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { probe } = world.add(ours, { handler: 'gated', mode });
      for (let round = 1; round <= 20; round++) {
        world.send(peer, 'taken');
        await world.until(() => probe.count === 2 * round - 1, 'the event arrives');
        expect(read(ours, Buffer.alloc(16))).toBe(5);
        probe.permit();
        await world.until(() => probe.get(Field.EMPTY) === round, 'the handler finds nothing');
        world.send(peer, 'mine!');
        probe.permit();
        await world.until(() => probe.bytes === 5 * round, 'the fd is armed');
        await world.until(() => probe.get(Field.DONE) === 2 * round, 'the handler is done');
      }
      expect(probe.get(Field.ERRNO)).toBe(0);
      await world.settle();
      expect(probe.count).toBe(40);
    });
  });

  it('a connection hears data, then end, then close, when all come in one burst (100)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      for (let round = 0; round < 20; round++) {
        const [ours, peer] = world.keep(...socketPair());
        // The worker is busy while the burst comes.
        const { blocker, release } = await occupy(world, mode);
        const { probe, registration } = world.add(ours, { handler: 'connection', mode });
        world.send(peer, 'some data');
        shutdown(peer, 1);
        release();
        await registration.ended();
        expect(stepsOf(probe)).toEqual(['open', 'data', 'end', 'close']);
        expect(probe.bytes).toBe(9);
        expect(probe.reason).toBe('end');
        await blocker.teardown();
        world.close(ours);
        world.close(peer);
      }
    });
  });

  it('a connection whose peer is gone hears of its data and its end, not of drain (100)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = await world.tcpPair();
      const { probe, registration } = world.add(ours, { handler: 'sender', mode, allowHalfOpen: true });
      world.send(peer, 'x');
      await world.until(() => probe.get(Field.DONE) === 2, 'the answer does not fit');
      world.send(peer, 'yz');
      world.native.setResetOnClose(peer);
      world.close(peer);
      await registration.ended();
      expect(probe.get(Field.DRAINS)).toBe(0);
      expect(stepsOf(probe).at(-1)).toBe('close');
      expect(probe.reason).toBe('error');
      expect(probe.get(Field.ERRORS)).toBe(1);
    });
  });

  it('a connection whose peer reads slowly hears of drain once all is sent (100)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { probe } = world.add(ours, { handler: 'sender', mode });
      world.send(peer, 'x');
      const chunk = Buffer.alloc(1 << 16);
      let received = 0;
      await world.until(() => probe.get(Field.DONE) === 2, 'the answer is written');
      while (received < 4 << 20) {
        const count = read(peer, chunk);
        if (count > 0) received += count;
        else await new Promise((resolve) => setImmediate(resolve));
      }
      await world.until(() => probe.get(Field.DRAINS) === 1, 'drain');
      await world.settle();
      expect(stepsOf(probe)).toEqual(['open', 'data', 'drain']);
    });
  });

  it('a teardown comes before data and end that have arrived, and is the end of it (100)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { probe, registration } = world.add(ours, { handler: 'gatedConnection', mode });
      world.send(peer, 'one');
      await world.until(() => probe.get(Field.GATED) === 1, 'the data handler runs');
      world.send(peer, 'two');
      shutdown(peer, 1);
      const ended = registration.teardown(5);
      await world.settle();
      expect(probe.last).toBe(0);
      probe.permit();
      await ended;
      expect(stepsOf(probe)).toEqual(['open', 'data', 'close']);
      expect([probe.reason, probe.get(Field.DETAIL)]).toEqual(['teardown', 5]);
    });
  });
});

/** Keeps one worker in a handler until it is released. */
async function occupy(world: World, mode: (typeof MODES)[number]) {
  const fd = world.eventfd();
  const { registration, probe } = world.add(fd, { handler: 'gated', mode });
  world.fire(fd);
  await world.until(() => probe.count === 1, 'the worker is busy');
  return { blocker: registration, release: () => probe.permit() };
}
