/** Scenarios 17-22, 25 and 104: what happens between a delivery and the next, and changes from other threads meanwhile. */
import { describe, expect, it } from 'vitest';
import { pipe, socketPair } from '../support/libc.ts';
import { Bit, Field } from './support/probe.ts';
import { inWorld, MODES, times } from './support/world.ts';

const ECONNRESET = 104;
const stale: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' });

describe.each(MODES)('in %s mode', (mode) => {
  it('what arrives between the last read and the re-arm is delivered at once (17)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { probe } = world.add(ours, { handler: 'drainThenGate', mode });
      const rounds = times(100, 10_000);
      for (let round = 0; round < rounds; round++) {
        world.send(peer, 'a');
        await world.until(() => probe.get(Field.GATED) === 2 * round + 1, 'the handler has read all');
        world.send(peer, 'b');
        probe.permit();
        await world.until(() => probe.get(Field.GATED) === 2 * round + 2, 'what came then is read as well');
        expect(probe.bytes).toBe(2 * round + 2);
        probe.permit();
      }
      await world.until(() => probe.get(Field.DONE) === 2 * rounds, 'all are done');
      await world.settle();
      expect(probe.count).toBe(2 * rounds);
    });
  });

  it('what a handler leaves unread is delivered again, at once (18)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { probe } = world.add(reader, { handler: 'single', mode });
      world.send(writer, 'ten bytes!');
      // In edge mode only one more read tells that there is nothing left.
      const reads = mode === 'edge' ? 11 : 10;
      await world.until(() => probe.get(Field.DONE) === reads, 'byte by byte it is read');
      await world.settle();
      expect(probe.count).toBe(reads);
      expect(probe.bytes).toBe(10);
      expect(probe.get(Field.EMPTY)).toBe(mode === 'edge' ? 1 : 0);
    });
  });

  it('an fd that is always ready is delivered for ever, with one worker (19)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const fd = world.eventfd();
      world.fire(fd);
      const { probe } = world.add(fd, { handler: 'idle', mode });
      const rounds = times(20_000, 1_000_000);
      for (let seen = 0; seen < rounds; seen = probe.count) {
        await world.until(() => probe.count > seen, 'there is one more', 1000);
      }
    });
  });

  it('an fd that is fired again as soon as it was handled never waits a second (19)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      const fd = world.eventfd();
      const { probe } = world.add(fd, { handler: 'drain', mode });
      for (let round = 1; round <= times(3000, 100_000); round++) {
        world.fire(fd);
        await world.until(() => probe.get(Field.DONE) === round, 'it is handled', 1000);
      }
    });
  });

  it('re-arming twice, or what was not delivered, is no second delivery (20)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { registration, probe } = world.add(reader, { handler: 'rearmingTwice', mode, rearm: 'manual' });
      for (let i = 0; i < 10; i++) registration.enable();
      await world.settle();
      expect(probe.count).toBe(0);
      for (let round = 1; round <= 10; round++) {
        world.send(writer, 'x');
        await world.until(() => probe.get(Field.DONE) === round, 'it is delivered');
        registration.enable();
        registration.enable();
        await world.settle();
        expect(probe.count).toBe(round);
      }
    });
  });

  it('another thread may re-arm while the handler runs: the next delivery waits for its end (20)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { registration, probe } = world.add(reader, { handler: 'drainThenGate', mode, rearm: 'manual' });
      world.send(writer, 'x');
      await world.until(() => probe.get(Field.GATED) === 1, 'the handler has read all');
      registration.enable();
      world.send(writer, 'y');
      await world.settle();
      expect(probe.count).toBe(1);
      probe.permit();
      await world.until(() => probe.get(Field.GATED) === 2, 'the next delivery follows');
      expect(probe.bytes).toBe(2);
      probe.permit();
      world.send(writer, 'z');
      await world.until(() => probe.get(Field.DONE) === 2, 'nobody re-arms this time');
      await world.settle();
      expect(probe.bytes).toBe(2);
    });
  });

  it('without a re-arm an fd stays silent, also when it is hung up, until it is enabled (21)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { registration, probe } = world.add(reader, { handler: 'drain', mode, rearm: 'manual' });
      world.send(writer, 'one');
      await world.until(() => probe.get(Field.DONE) === 1, 'the first event arrives');
      world.send(writer, 'two');
      await world.settle();
      world.close(writer);
      await world.settle();
      expect(probe.count).toBe(1);
      registration.enable();
      await world.until(() => probe.get(Field.DONE) === 2, 'it is delivered now');
      expect(probe.get(Field.LATEST)).toBe(Bit.IN | Bit.HANGUP);
      expect([probe.bytes, probe.get(Field.ENDS)]).toEqual([6, 1]);
      await world.settle();
      expect(probe.count).toBe(2);
    });
  });

  it('event.rearm() is what makes the next delivery (21)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { probe } = world.add(reader, { handler: 'rearming', mode, rearm: 'manual' });
      for (let round = 1; round <= 20; round++) {
        world.send(writer, 'x');
        await world.until(() => probe.get(Field.DONE) === round, 'it is delivered');
      }
      expect([probe.count, probe.bytes]).toEqual([20, 20]);
    });
  });

  it('a reset while the handler runs is delivered after it (22)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = await world.tcpPair();
      const { registration, probe } = world.add(ours, { handler: 'drainThenGate', mode });
      world.send(peer, 'hello');
      await world.until(() => probe.get(Field.GATED) === 1, 'the handler has read all');
      world.native.setResetOnClose(peer);
      world.close(peer);
      await world.settle();
      expect(probe.count).toBe(1);
      probe.permit();
      await world.until(() => probe.get(Field.GATED) === 2, 'then it hears of it');
      expect(probe.count).toBe(2);
      expect(probe.get(Field.LATEST)).toBe(Bit.IN | Bit.PEER_ENDED | Bit.HANGUP | Bit.ERROR);
      expect(probe.get(Field.ERRNO)).toBe(ECONNRESET);
      const ended = registration.teardown();
      probe.permit();
      await ended;
      expect(probe.count).toBe(2);
    });
  });

  it('a disabled fd is silent and loses nothing (25)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      const { registration, probe } = world.add(reader, { handler: 'drain', mode });
      let sent = 0;
      for (let round = 0; round < times(30, 3000); round++) {
        registration.disable();
        registration.disable();
        await world.settle();
        const before = probe.count;
        world.send(writer, 'abc');
        await world.settle();
        world.send(writer, 'def');
        await world.settle();
        sent += 6;
        expect(probe.count).toBe(before);
        registration.enable();
        await world.until(() => probe.bytes === sent, 'it is delivered when it is enabled');
        await world.settle();
        await world.until(() => probe.get(Field.DONE) === probe.count, 'all are done');
        expect(probe.count - before - probe.get(Field.EMPTY)).toBe(1);
        probe.set(Field.EMPTY, 0);
      }
      registration.disable();
      registration.enable();
      await world.settle();
      expect(probe.bytes).toBe(sent);
    });
  });

  it.each(['disable', 'teardown'] as const)(
    '%s of an fd whose event is queued: it is not delivered (25)',
    async (what) => {
      await inWorld({ minThreads: 1 }, async (world) => {
        const first = world.eventfd();
        const { probe: gate } = world.add(first, { handler: 'gated', mode });
        for (let round = 0; round < 30; round++) {
          const second = world.eventfd();
          const { registration, probe } = world.add(second, { handler: 'drain', mode });
          await world.settle();
          // Both in one batch: while the handler of the one runs, the other is queued.
          const before = gate.count;
          world.fire(first);
          world.fire(second);
          await world.until(() => gate.count > before, 'the first one runs');
          if (what === 'disable') registration.disable();
          const ended = what === 'teardown' ? registration.teardown() : Promise.resolve();
          gate.permit();
          await ended;
          await world.settle();
          // The second may have come first in the batch; then it is handled, before.
          if (probe.count === 0) expect(probe.bytes).toBe(0);
          if (what === 'disable') {
            registration.enable();
            await world.until(() => probe.bytes === 8, 'when it is enabled it is delivered');
            await registration.teardown();
          }
          expect(probe.count).toBeLessThanOrEqual(1);
          world.close(second);
        }
      });
    },
  );

  it('changes from one thread race the end from another: none reaches the next registration (104)', async () => {
    await inWorld({ minThreads: 3 }, async (world) => {
      const [ours] = world.keep(...socketPair());
      const changing = world.eventfd();
      const { probe: changer } = world.add(changing, { handler: 'changer', mode });
      let refused = 0;
      for (let round = 1; round <= times(300, 1_000_000); round++) {
        const { registration, probe } = world.add(
          ours,
          { handler: 'idle', mode },
          world.probeAgain(2 * round),
        );
        changer.set(Field.TARGET_FD, ours);
        changer.set(Field.TARGET_GENERATION, registration.generation);
        world.fire(changing);
        const ended = registration.teardown();
        try {
          for (let i = 0; i < round % 8; i++) registration.modify({ events: ['in', 'pri'] });
        } catch (error) {
          expect(error).toEqual(stale);
          refused++;
        }
        await ended;
        const next = world.add(
          ours,
          { handler: 'idle', mode, events: ['in'] },
          world.probeAgain(2 * round + 1),
        );
        await world.until(() => changer.get(Field.DONE) === round, 'the other thread is done');
        expect(next.registration.events).toEqual(['in']);
        expect(probe.last).toBe(1);
        expect(next.probe.count).toBe(0);
        await next.registration.teardown();
      }
      expect(changer.get(Field.ERRORS)).toBe(0);
      expect(refused + changer.get(Field.EMPTY)).toBeGreaterThan(0);
    });
  });
});
