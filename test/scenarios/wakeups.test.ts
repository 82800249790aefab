/**
 * Scenarios 12, 23, 24, 57, 70 and 108: one firing is one delivery however many workers sleep; triggers reach a sleeping pool
 * and combine with re-arming; what disables a registration on delivery stays as it is; a woken worker that does not use its
 * event passes it on.
 *
 * A signalfd is not among the sources of 12: what is pending for one thread only that thread finds, as the poller and as the
 * reader, and a signal for the whole process goes to one of Node's threads that do not block it. It is tried with
 * one worker (registration.test.ts).
 */
import { describe, expect, it } from 'vitest';
import { pipe, read, setTimer, timerfd, write } from '../support/libc.ts';
import { Field, type Probe } from './support/probe.ts';
import { inWorld, MODES, times, type World } from './support/world.ts';

const EAGAIN = -11;
const WORKERS = 8;
/** More than ever come to a gate at once. */
const MANY = 1000;

/** All but the poller are parked. */
async function untilParked(world: World): Promise<void> {
  const asleep = (): boolean => {
    const states = world.pool.stats().workers.map(({ state }) => state);
    return states.every((state) => state === 'parked' || state === 'polling');
  };
  await world.eventually(asleep, 'the workers are parked');
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Makes a source; says how to fire it once, and whether something is left of that. */
type Source = { readonly probe: Probe; readonly fire: () => void; readonly isEmpty: () => boolean };

const one = Buffer.alloc(1);
const SOURCES: Readonly<Record<string, (world: World, mode: 'edge' | 'oneshot') => Source>> = {
  'readable pipe': (world, mode) => {
    const [fd, writer] = world.keep(...pipe());
    const { probe } = world.add(fd, { handler: 'drain', mode });
    return { probe, fire: () => world.send(writer, 'x'), isEmpty: () => read(fd, one) === EAGAIN };
  },
  'pipe that becomes writable': (world, mode) => {
    const [reader, fd] = world.keep(...pipe());
    const chunk = Buffer.alloc(1 << 20);
    while (write(fd, chunk) > 0);
    const { probe } = world.add(fd, { handler: 'fill', mode, events: ['out'] });
    // One read takes all, under the pipe's lock: a socket could be filled again in the middle of it.
    const fire = (): void => {
      expect(read(reader, chunk)).toBeGreaterThan(0);
    };
    return { probe, fire, isEmpty: () => write(fd, chunk.subarray(0, 4096)) === EAGAIN };
  },
  timerfd: (world, mode) => {
    const fd = world.keep(timerfd())[0];
    const { probe } = world.add(fd, { handler: 'drain', mode });
    return { probe, fire: () => setTimer(fd, 1), isEmpty: () => read(fd, Buffer.alloc(8)) === EAGAIN };
  },
  trigger: (world, mode) => {
    const { registration, probe } = world.add(world.eventfd(), { handler: 'posted', mode });
    return { probe, fire: () => registration.trigger(1), isEmpty: () => true };
  },
  'user event': (world) => {
    const probe = world.probe();
    const event = world.pool.userEvent({ handler: 'posted', merge: 'count', cookie: probe.number });
    return { probe, fire: () => event.post(), isEmpty: () => true };
  },
  timer: (world) => {
    const probe = world.probe();
    const start = (): unknown => world.pool.timer({ handler: 'posted', afterMs: 1, cookie: probe.number });
    return { probe, fire: () => void start(), isEmpty: () => true };
  },
};

describe.each(MODES)('in %s mode', (mode) => {
  it.each(Object.keys(SOURCES))(
    'a %s that fires once is delivered once, to one of many workers that sleep (12)',
    async (name) => {
      await inWorld({ minThreads: WORKERS }, async (world) => {
        const source = SOURCES[name]?.(world, mode);
        if (source === undefined) throw new Error(name);
        const { probe, fire, isEmpty } = source;
        for (let round = 1; round <= times(20, 1000); round++) {
          await untilParked(world);
          fire();
          await world.until(() => probe.get(Field.DONE) >= round, `firing ${round} arrives`);
          expect(isEmpty(), 'a second try finds nothing').toBe(true);
          if (round % 5 === 0) await world.settle();
          expect(probe.count).toBe(round);
        }
        expect(probe.get(Field.EMPTY)).toBe(0);
      });
    },
  );

  it('a trigger is delivered while all sleep, in most tries within 50 ms, from this thread and from workers (57)', async () => {
    await inWorld({ minThreads: 2 }, async (world) => {
      const { registration, probe } = world.add(world.eventfd(), { handler: 'posted', mode });
      const helper = world.eventfd();
      const { probe: triggerer } = world.add(helper, { handler: 'triggerer', mode });
      triggerer.set(Field.TARGET_FD, registration.fd);
      triggerer.set(Field.TARGET_GENERATION, registration.generation);
      for (const trigger of [() => registration.trigger(1), () => world.fire(helper)]) {
        const took: number[] = [];
        for (let round = 1; round <= times(50, 1000); round++) {
          await untilParked(world);
          const before = probe.count;
          const from = performance.now();
          trigger();
          await world.until(() => probe.count === before + 1, 'the trigger arrives', 1000);
          took.push(performance.now() - from);
        }
        expect(median(took)).toBeLessThan(50);
      }
    });
  });

  it.each([
    ['enable() and trigger()', ['enable', 'trigger']],
    ['trigger() and enable()', ['trigger', 'enable']],
    ['disable(), trigger() and enable()', ['disable', 'trigger', 'enable']],
  ] as const)('%s at once always deliver (23)', async (_, calls) => {
    for (const rearm of ['auto', 'manual'] as const) {
      await inWorld({ minThreads: 3 }, async (world) => {
        const { registration, probe } = world.add(world.eventfd(), { handler: 'posted', mode, rearm });
        for (let round = 1; round <= times(200, 20_000); round++) {
          for (const call of calls)
            if (call === 'trigger') registration.trigger(1);
            else registration[call]();
          await world.until(() => probe.count >= round, `trigger ${round} arrives`, 1000);
          expect([probe.count, probe.get(Field.VALUES)]).toEqual([round, round]);
        }
      });
    }
  });

  it('a handler that re-arms and triggers in one turn has another (23)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const { probe } = world.add(fd, { handler: 'rearmsAndTriggers', mode, rearm: 'manual' });
      const rounds = times(100, 10_000);
      probe.permit(rounds);
      world.fire(fd);
      await world.until(() => probe.get(Field.DONE) === rounds + 1, 'a turn for each trigger');
      expect(probe.get(Field.VALUES)).toBe(rounds);
      world.fire(fd);
      await world.until(() => probe.get(Field.DONE) === rounds + 2, 'it is armed');
    });
  });

  it.each(['modify', 'disable and enable', 'trigger'] as const)(
    'one delivery at a time and none before the re-arm: that survives %s (24)',
    async (change) => {
      await inWorld({ minThreads: 3 }, async (world) => {
        const fd = world.eventfd();
        const { registration, probe } = world.add(fd, { handler: 'gatedPosted', mode });
        const manualFd = world.eventfd();
        const manual = world.add(manualFd, { handler: 'posted', mode, rearm: 'manual' });
        let silent = 0;
        let passed = 0;
        for (let round = 1; round <= times(10, 200); round++) {
          for (const { registration: changed } of [{ registration }, manual]) {
            if (change === 'modify') changed.modify({ events: round % 2 === 0 ? ['in'] : ['in', 'pri'] });
            else if (change === 'trigger') changed.trigger(1);
            else {
              changed.disable();
              changed.enable();
            }
          }
          // Deliveries that find nothing are allowed: all pass the gate now.
          probe.permit(MANY);
          if (change === 'trigger')
            await world.until(() => probe.get(Field.VALUES) === round, 'the trigger arrives');
          await world.settle();
          passed += MANY - probe.takeBack();
          // Who has passed the gate has not read yet: it would take the next one's bytes.
          await world.until(() => probe.get(Field.DONE) === passed, 'who has passed is done');
          // One at a time: whatever comes while it runs waits for its end.
          world.fire(fd);
          await world.until(() => probe.get(Field.GATED) === passed + 1, 'one is at the gate');
          const before = probe.count;
          world.fire(fd);
          await world.settle();
          expect(probe.count).toBe(before);
          // By hand: one delivery, then none until somebody enables.
          if (round === 1 && change !== 'trigger') silent = manual.probe.get(Field.DONE);
          if (change !== 'trigger') {
            manual.registration.enable();
            world.fire(manualFd);
            await world.until(() => manual.probe.get(Field.DONE) === silent + 1, 'one delivery');
            world.fire(manualFd);
            await world.settle();
            expect(manual.probe.count).toBe(silent + 1);
            manual.registration.enable();
            await world.until(
              () => manual.probe.get(Field.DONE) === silent + 2,
              'after enable() what had waited',
            );
            silent += 2;
          }
        }
        if (change !== 'trigger') return;
        // The first was delivered, and all others have waited since.
        expect([manual.probe.count, manual.probe.get(Field.VALUES)]).toEqual([1, 1]);
        manual.registration.enable();
        await world.until(() => manual.probe.get(Field.VALUES) === 2, 'after enable() what had waited');
        await world.settle();
        expect(manual.probe.count).toBe(2);
      });
    },
  );
});

describe('a woken worker that does not use its event', () => {
  it('because it dies, leaves it to another (108)', async () => {
    await inWorld({ minThreads: 3, concurrency: 1 }, async (world) => {
      world.pool.on('workerExit', () => {});
      for (let round = 0; round < times(5, 200); round++) {
        await untilParked(world);
        const [deadly, fd] = [world.eventfd(), world.eventfd()];
        const crash = world.add(deadly, { handler: 'crashing' });
        const { registration, probe } = world.add(fd, { handler: 'drain' });
        world.fire(deadly);
        world.fire(fd);
        await world.until(() => probe.get(Field.DONE) === 1, 'the other event is handled');
        await crash.registration.ended();
        await registration.teardown();
        for (const closed of [deadly, fd]) world.close(closed);
        expect(probe.bytes).toBe(8);
      }
    });
  });

  it('because the limit was lowered, leaves it to another (108)', async () => {
    await inWorld({ minThreads: 4 }, async (world) => {
      const sources = Array.from({ length: 6 }, () => {
        const fd = world.eventfd();
        return { fd, ...world.add(fd, { handler: 'busy' }) };
      });
      for (let round = 1; round <= times(200, 20_000); round++) {
        for (const [i, { fd }] of sources.entries()) {
          world.pool.concurrency = 1 + ((round + i) % 4);
          world.fire(fd);
        }
        const handled = (): boolean => sources.every(({ probe }) => probe.bytes >= 8 * round);
        await world.until(handled, `all of round ${round} are handled`, 1000);
      }
      // Several firings before a read are one read of eight bytes; here each is read before the next.
      for (const { probe } of sources) expect(probe.bytes).toBe(8 * times(200, 20_000));
    });
  });
});

it('workers that look up for no reason find nothing, and nobody needed rescue (70)', async () => {
  // With a safety timeout of a millisecond each sleep ends by itself all the time.
  await inWorld({ minThreads: 3, safetyTimeoutMs: 1 }, async (world) => {
    const fd = world.eventfd();
    const { probe } = world.add(fd, { handler: 'drain' });
    for (let round = 1; round <= times(200, 10_000); round++) {
      if (round % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      world.fire(fd);
      await world.until(() => probe.get(Field.DONE) === round, `firing ${round} arrives`, 1000);
    }
    expect(world.pool.stats().rescuedWakeups).toBe(0);
  });
});
