/** Scenarios 1-10 and 32: registering descriptors of every kind, changing and ending registrations. */
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Epoll, EpollOp } from '../../src/native/index.ts';
import {
  blockSignal,
  connect,
  duplicateOnto,
  pidfd,
  pipe,
  pty,
  sendUrgent,
  setTimer,
  shutdown,
  signalfd,
  signalThread,
  socketPair,
  tcpSocket,
  timerfd,
  udpSocket,
  unblockSignal,
} from '../support/libc.ts';
import { Bit, Field } from './support/probe.ts';
import { inWorld, MODES, openDescriptors, times, type World } from './support/world.ts';

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

describe.each(MODES)('a registration in %s mode', (mode) => {
  it('hands the handler fd and cookie unchanged, also after many modifies (1)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const probe = world.probe();
      const cookie = (0xdeadbeefn << 32n) | BigInt(probe.number);
      const registration = world.pool.add(fd, { handler: 'drain', mode, cookie });
      for (let i = 0; i < times(20_000, 100_000); i++)
        registration.modify({ events: i % 2 === 0 ? ['in', 'pri'] : ['in'] });
      expect(registration.events).toEqual(['in']);
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'the event arrives');
      expect(probe.get(Field.FD)).toBe(fd);
      expect(probe.get(Field.COOKIE_HIGH) >>> 0).toBe(0xdeadbeef);
      expect(probe.count).toBe(1);
    });
  });

  it('takes a number at once that the pool has just closed', async () => {
    await inWorld({}, async (world) => {
      const ends: Promise<void>[] = [];
      for (let i = 0; i < times(3000, 50_000); i++) {
        // Not world.eventfd(): the pool closes these, mostly while the next ones are made.
        const fd = world.native.eventfd();
        const registration = world.pool.add(fd, { handler: 'idle', mode, ownership: 'own' });
        ends.push(registration.teardown());
        if (ends.length >= 50) await Promise.all(ends.splice(0));
      }
      await Promise.all(ends);
      expect(world.pool.stats().registered).toBe(0);
    });
  });

  it('is not touched by a second one of the same fd, which is refused (2)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const { registration, probe } = world.add(fd, { handler: 'drain', mode });
      const intruder = world.probe();
      for (const other of MODES) {
        expect(() => world.add(fd, { handler: 'idle', mode: other, events: ['out'] }, intruder)).toThrow(
          code('ERR_WAKEONE_FD_IN_USE'),
        );
      }
      expect(registration.active).toBe(true);
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'the first registration works');
      await world.settle();
      expect(intruder.count).toBe(0);
      expect(probe.count).toBe(1);
    });
  });

  it('that has ended, or never was, refuses every change and leaves others alone (3)', async () => {
    await inWorld({}, async (world) => {
      const fd = world.eventfd();
      const { registration: ended, probe: old } = world.add(fd, { handler: 'drain', mode });
      await ended.teardown();
      expect(ended.active).toBe(false);
      const { registration, probe } = world.add(fd, { handler: 'drain', mode });
      const never = world.pool.registration({ fd: world.eventfd(), generation: 0 });
      const forged = [
        world.pool.registration({ fd, generation: registration.generation + 1 }),
        // The same low 13 bits, which is what the slot's word has room for.
        world.pool.registration({ fd, generation: registration.generation + 8192 }),
        world.pool.registration({ fd, generation: -1 }),
      ];
      for (const stale of [ended, never, ...forged]) {
        expect(stale.active).toBe(false);
        expect(() => stale.modify({ events: ['out'] })).toThrow(code('ERR_WAKEONE_STALE_REGISTRATION'));
        expect(() => stale.disable()).toThrow(code('ERR_WAKEONE_STALE_REGISTRATION'));
        expect(() => stale.enable()).toThrow(code('ERR_WAKEONE_STALE_REGISTRATION'));
        await stale.teardown(99);
      }
      expect(registration.active).toBe(true);
      expect(registration.events).toEqual(['in']);
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'the living registration works');
      await world.settle();
      expect(probe.count).toBe(1);
      expect(probe.last).toBe(0);
      expect(old.count).toBe(0);
      expect(old.last).toBe(1);
    });
  });

  it('is served though the set was empty and the poller asleep when it was added (4)', async () => {
    await inWorld({ minThreads: 1 }, async (world) => {
      await world.eventually(() => world.pool.stats().workers[0]?.state === 'polling', 'the poller waits');
      const fd = world.eventfd();
      const { probe } = world.add(fd, { handler: 'drain', mode });
      world.fire(fd);
      await world.until(() => probe.bytes === 8, 'the event arrives');
      const late = world.eventfd();
      world.fire(late);
      const { probe: second } = world.add(late, { handler: 'drain', mode });
      await world.until(() => second.bytes === 8, 'an event that was there arrives');
    });
  });

  it('of an fd that is readable already delivers at once, and once (5)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      world.send(writer, 'early');
      const { probe } = world.add(reader, { handler: 'drain', mode });
      await world.until(() => probe.bytes === 5, 'the data that was there arrives');
      await world.settle();
      expect(probe.count).toBe(1);
    });
  });

  it('of an fd that is hung up already delivers that at once (5)', async () => {
    await inWorld({}, async (world) => {
      const [reader, writer] = world.keep(...pipe());
      world.close(writer);
      const { probe } = world.add(reader, { handler: 'drain', mode, rearm: 'manual' });
      const unconnected = world.keep(tcpSocket())[0];
      const { probe: other } = world.add(unconnected, {
        handler: 'idle',
        mode,
        rearm: 'manual',
        events: ['out'],
      });
      // The end is read after the delivery has been counted.
      const arrived = (): boolean => probe.get(Field.ENDS) === 1 && other.count === 1;
      await world.until(arrived, 'both hang-ups arrive');
      await world.settle();
      expect(probe.get(Field.SEEN)).toBe(Bit.IN | Bit.HANGUP);
      expect(probe.get(Field.ENDS)).toBe(1);
      expect(other.get(Field.SEEN)).toBe(Bit.OUT | Bit.HANGUP);
      expect(probe.count + other.count).toBe(2);
    });
  });

  it('is refused for files that cannot be waited for, and nothing of it is left (6, 32)', async () => {
    await inWorld({}, async (world) => {
      const directory = mkdtempSync(join(tmpdir(), 'wakeone-'));
      const path = join(directory, 'file');
      const files = [openSync(path, 'w+'), openSync(directory, 'r'), openSync('/dev/null', 'r')];
      world.keep(...files);
      const registered = world.pool.stats().registered;
      for (const fd of files) {
        const probe = world.probe();
        const flags = world.native.statusFlags(fd);
        expect(() => world.add(fd, { handler: 'drain', mode, ownership: 'own' }, probe)).toThrow(
          code('ERR_WAKEONE_FD_UNSUPPORTED'),
        );
        expect(world.native.statusFlags(fd), 'the fd is as it was').toBe(flags);
        for (let generation = 0; generation < 3; generation++) {
          const forged = world.pool.registration({ fd, generation });
          expect(forged.active).toBe(false);
          await forged.teardown();
        }
        expect(probe.count + probe.last).toBe(0);
        // The number is free for another file.
        duplicateOnto(world.eventfd(), fd);
        const { probe: next } = world.add(fd, { handler: 'drain', mode });
        world.fire(fd);
        await world.until(() => next.bytes === 8, 'the number works with another file');
      }
      expect(world.pool.stats().registered).toBe(registered + files.length);
      rmSync(path);
      rmdirSync(directory);
    });
  });

  it('can be torn down in the moment in which it was made (32)', async () => {
    await inWorld({}, async (world) => {
      for (let round = 0; round < times(200, 4000); round++) {
        const fd = world.eventfd();
        world.fire(fd);
        const { registration, probe } = world.add(fd, { handler: 'drain', mode });
        await registration.teardown(round);
        expect(probe.last).toBe(1);
        expect(probe.get(Field.DETAIL)).toBe(round);
        expect(probe.count).toBeLessThanOrEqual(1);
        expect(registration.active).toBe(false);
        world.close(fd);
      }
    });
  });
});

/** Makes a source, says how to fire it, and how its handler uses it up. */
type Source = {
  readonly fd: number;
  readonly fire: (thread: number) => void | Promise<void>;
  readonly handler: string;
  /** Sources whose condition the handler cannot use up are not re-armed. */
  readonly rearm: 'auto' | 'manual';
};

const SOURCES: Readonly<Record<string, (world: World) => Source>> = {
  eventfd: (world) => {
    const fd = world.eventfd();
    return { fd, fire: () => world.fire(fd), handler: 'drain', rearm: 'auto' };
  },
  pipe: (world) => {
    const [fd, writer] = world.keep(...pipe());
    return { fd, fire: () => world.send(writer, 'x'), handler: 'drain', rearm: 'auto' };
  },
  timerfd: (world) => {
    const fd = world.keep(timerfd())[0];
    return { fd, fire: () => setTimer(fd, 2), handler: 'drain', rearm: 'auto' };
  },
  'UDP socket': (world) => {
    const [fd, peer] = world.keep(udpSocket(), udpSocket());
    const address = world.native.localAddress(fd);
    if (typeof address === 'number' || address.family === 'unix') throw new Error('no address');
    expect(connect(peer, address.port)).toBe(0);
    return { fd, fire: () => world.send(peer, 'datagram'), handler: 'drain', rearm: 'auto' };
  },
  'AF_UNIX stream': (world) => {
    const [fd, peer] = world.keep(...socketPair());
    return { fd, fire: () => world.send(peer, 'x'), handler: 'drain', rearm: 'auto' };
  },
  'AF_UNIX datagram socket': (world) => {
    const [fd, peer] = world.keep(...socketPair('datagram'));
    return { fd, fire: () => world.send(peer, 'x'), handler: 'drain', rearm: 'auto' };
  },
  'terminal (slave side)': (world) => {
    const [master, fd] = world.keep(...pty());
    return { fd, fire: () => world.send(master, 'line\n'), handler: 'drain', rearm: 'auto' };
  },
  'terminal (master side)': (world) => {
    const [fd, slave] = world.keep(...pty());
    return { fd, fire: () => world.send(slave, 'text'), handler: 'drain', rearm: 'auto' };
  },
  'nested epoll set': (world) => {
    const { native } = world;
    const [fd, inner] = world.keep(native.epollCreate(), world.eventfd());
    expect(native.epollControl(fd, EpollOp.ADD, inner, Epoll.IN | Epoll.EDGE, 1, 1)).toBe(0);
    return { fd, fire: () => world.fire(inner), handler: 'idle', rearm: 'manual' };
  },
  signalfd: (world) => {
    // The thread that polls must be the one that the signal is pending for, and it has inherited this thread's mask.
    const fd = world.keep(signalfd(SIGNAL))[0];
    return { fd, fire: (thread) => signalThread(thread, SIGNAL), handler: 'drain', rearm: 'auto' };
  },
  pidfd: (world) => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });
    const fd = world.keep(pidfd(child.pid ?? -1))[0];
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const fire = async (): Promise<void> => {
      child.kill('SIGKILL');
      await exited;
    };
    return { fd, fire, handler: 'idle', rearm: 'manual' };
  },
};
const SIGNAL = constants.signals.SIGURG;

describe.each(Object.keys(SOURCES))('a %s', (name) => {
  it.each(MODES)('is a source in %s mode: one firing, one delivery (7, 12)', async (mode) => {
    blockSignal(SIGNAL);
    try {
      await inWorld({ minThreads: 1 }, async (world) => {
        const thread = world.probe();
        const helper = world.eventfd();
        world.add(helper, { handler: 'drain' }, thread);
        world.fire(helper);
        await world.until(() => thread.get(Field.DONE) === 1, 'the worker tells its thread');
        const source = SOURCES[name]?.(world);
        if (source === undefined) throw new Error(name);
        const { fd, fire, handler, rearm } = source;
        const { registration, probe } = world.add(fd, { handler, rearm, mode });
        await world.settle();
        expect(probe.count, 'nothing before it is fired').toBe(0);
        const rounds = rearm === 'auto' ? 5 : 1;
        for (let round = 1; round <= rounds; round++) {
          await fire(thread.get(Field.THREAD));
          await world.until(() => probe.count === round, `firing ${round} arrives`);
          await world.settle();
          expect(probe.count).toBe(round);
        }
        expect(probe.get(Field.SEEN) & Bit.IN).toBe(Bit.IN);
        expect(probe.get(Field.ERRNO)).toBe(0);
        await registration.teardown();
        expect(probe.last).toBe(1);
      });
    } finally {
      unblockSignal(SIGNAL);
    }
  });
});

describe('an epoll set that contains the pool', () => {
  it.each(MODES)('is refused in %s mode, since it would wait for itself (7)', async (mode) => {
    await inWorld({}, async (world) => {
      const { native } = world;
      const inner = [...openDescriptors()].filter(([, file]) => file.includes('[eventpoll'));
      const loops = inner.map(([number]) => {
        const [outer] = world.keep(native.epollCreate());
        expect(native.epollControl(outer, EpollOp.ADD, Number(number), Epoll.IN, 1, 1)).toBe(0);
        return outer;
      });
      const refused = loops.filter((outer) => {
        try {
          world.add(outer, { handler: 'idle', mode, rearm: 'manual' });
          return false;
        } catch (error) {
          expect(error).toEqual(code('ERR_WAKEONE_FD_LOOP'));
          return true;
        }
      });
      // The one around the pool's set, and those around the workers' sets, in which the pool's set is.
      expect(refused.length).toBeGreaterThanOrEqual(1 + 2);
    });
  });
});

describe.each(MODES)('the events of a registration in %s mode', (mode) => {
  it('are independent: without one side the other goes on (8)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { registration, probe } = world.add(ours, { handler: 'reader', mode, events: ['in', 'out'] });
      await world.until(() => probe.get(Field.SEEN) === Bit.OUT, 'it is writable');
      registration.modify({ events: ['in'] });
      await world.settle();
      const writable = probe.count;
      await world.settle();
      expect(probe.count, 'it is not asked for writable any more').toBe(writable);
      world.send(peer, 'abc');
      await world.until(() => probe.bytes === 3, 'the read side goes on');
      expect(probe.get(Field.LATEST)).toBe(Bit.IN);
      await world.settle();
      expect(probe.count).toBe(writable + 1);
      registration.modify({ events: ['out'] });
      await world.until(() => (probe.get(Field.LATEST) & Bit.OUT) !== 0, 'the write side is back');
      probe.set(Field.FORBIDDEN, Bit.IN);
      world.send(peer, 'unread');
      await world.settle();
      expect(probe.bytes).toBe(3);
      expect(probe.get(Field.ERRORS)).toBe(0);
      probe.set(Field.FORBIDDEN, 0);
      registration.modify({ events: ['in', 'out'] });
      await world.until(() => probe.bytes === 9, 'what came meanwhile is not lost');
    });
  });

  it('are never others than the ones that are asked for, while they change under traffic (9)', async () => {
    await inWorld({ minThreads: 3 }, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const { registration, probe } = world.add(ours, { handler: 'reader', mode, events: ['in'] });
      let sent = 0;
      for (let round = 0; round < times(300, 20_000); round++) {
        registration.modify({ events: ['out'] });
        probe.set(Field.LATEST, 0);
        await world.until(() => probe.get(Field.LATEST) === Bit.OUT, 'it is writable');
        probe.set(Field.FORBIDDEN, Bit.IN);
        world.send(peer, 'xy');
        sent += 2;
        if (round % 10 === 0) await world.settle();
        probe.set(Field.FORBIDDEN, 0);
        registration.modify({ events: ['in'] });
        await world.until(() => probe.bytes === sent, 'what came meanwhile is read');
        probe.set(Field.FORBIDDEN, Bit.OUT);
        world.send(peer, 'z');
        sent += 1;
        await world.until(() => probe.bytes === sent, 'and what comes now');
        probe.set(Field.FORBIDDEN, 0);
      }
      expect(probe.get(Field.ERRORS), 'events outside of the mask').toBe(0);
    });
  });

  it('belong to the number: a duplicate with other events is delivered apart (10)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = world.keep(...socketPair());
      const [twin] = world.keep(world.native.duplicate(ours, 0));
      const { registration: first, probe: reader } = world.add(ours, {
        handler: 'drain',
        mode,
        events: ['in'],
      });
      const { probe: writer } = world.add(twin, {
        handler: 'pretend',
        mode,
        events: ['out'],
        rearm: 'manual',
      });
      await world.until(() => writer.count === 1, 'the duplicate is writable');
      world.send(peer, 'abcd');
      await world.until(() => reader.bytes === 4, 'the original is readable');
      await world.settle();
      expect([reader.get(Field.SEEN), writer.get(Field.SEEN)]).toEqual([Bit.IN, Bit.OUT]);
      expect([reader.count, writer.count]).toEqual([1, 1]);
      await first.teardown();
      world.close(ours);
      const { probe: again } = world.add(world.keep(world.native.duplicate(twin, 0))[0], {
        handler: 'drain',
        mode,
      });
      world.send(peer, 'efg');
      await world.until(() => again.bytes === 3, 'the file lives on in its duplicates');
      expect(reader.count).toBe(1);
      expect(writer.last).toBe(0);
    });
  });

  it('include urgent data, before the data around it is read (87)', async () => {
    await inWorld({}, async (world) => {
      const [ours, peer] = await world.tcpPair();
      const { probe } = world.add(ours, { handler: 'idle', mode, events: ['pri'], rearm: 'manual' });
      world.send(peer, 'ordinary');
      await world.settle();
      expect(probe.count).toBe(0);
      sendUrgent(peer, 33);
      await world.until(() => probe.count === 1, 'the urgent byte is announced');
      expect(probe.get(Field.SEEN) & Bit.PRI).toBe(Bit.PRI);
      shutdown(peer, 2);
    });
  });
});
