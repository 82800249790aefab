/**
 * The contract of the native layer, on the fake kernel and on this one: what the fake does is what Linux does.
 * Scenarios 2, 3, 5, 6, 7, 10, 16, 22, 35, 60, 83, 84, 85 at the level of system calls.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Epoll, Errno, Shutdown, type SocketAddress } from '../../src/native/index.ts';
import { FakeMachine, type Machine, RealMachine } from './machine.ts';

const { IN, OUT, ERR, HUP, RDHUP, EDGE, ONESHOT } = Epoll;
const { ECONNREFUSED } = Errno;
const EFAULT = -14;

const kernels: readonly [string, () => Machine][] = [
  ['the fake kernel', () => new FakeMachine()],
  ['this kernel', () => new RealMachine()],
];

describe.each(kernels)('on %s', (_, boot) => {
  let m: Machine;

  beforeEach(() => {
    m = boot();
  });

  afterEach(() => {
    m.cleanUp();
  });

  describe('eventfd', () => {
    test('is not readable until it is signalled, and reading takes the count', () => {
      const fd = m.eventfd();
      expect(m.read(fd)).toBe(Errno.EAGAIN);
      expect(m.native.signal(fd)).toBe(8);
      expect(m.native.signal(fd)).toBe(8);
      expect(m.readBytes(fd)).toEqual(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]));
      expect(m.read(fd)).toBe(Errno.EAGAIN);
    });

    test('takes eight bytes at a time and refuses what would overflow it', () => {
      const fd = m.eventfd();
      expect(m.readBytes(fd, 4)).toBe(Errno.EINVAL);
      expect(m.write(fd, new Uint8Array(4))).toBe(Errno.EINVAL);
      expect(m.write(fd, new Uint8Array(8).fill(255))).toBe(Errno.EINVAL);
      const most = new Uint8Array(8).fill(255);
      most[0] = 254;
      expect(m.write(fd, most)).toBe(8);
      expect(m.native.signal(fd)).toBe(Errno.EAGAIN);
      expect(m.ready(fd, IN)).toBe(IN);
    });

    test('each signal is an edge, also when the count was not read', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN | EDGE);
      expect(m.events(set)).toEqual([]);
      m.native.signal(fd);
      m.native.signal(fd);
      expect(m.event(set)).toBe(IN);
      expect(m.events(set)).toEqual([]);
      m.native.signal(fd);
      expect(m.event(set)).toBe(IN);
    });
  });

  describe('a timer', () => {
    const waitMs = 500;
    let set: number;
    let timer: number;

    beforeEach(() => {
      set = m.set();
      timer = m.own(m.native.timer());
      m.add(set, timer, IN | EDGE);
    });

    test('expires once each time that it is set', () => {
      expect(m.events(set, 1, 1)).toEqual([]);
      for (let round = 0; round < 3; round++) {
        expect(m.native.setTimer(timer, 1)).toBe(0);
        expect(m.event(set)).toBe(IN);
        expect(m.events(set, 1, 3)).toEqual([]);
      }
    });

    test('takes fractions, and more than a second', () => {
      m.native.setTimer(timer, 0.001);
      expect(m.event(set)).toBe(IN);
      m.native.setTimer(timer, 4_100_000.5);
      expect(m.events(set, 1, 2)).toEqual([]);
    });

    test('forgets what it was set to, and that it has expired', () => {
      m.native.setTimer(timer, 1);
      m.native.setTimer(timer, 60_000);
      expect(m.events(set, 1, 5)).toEqual([]);
      const other = m.set();
      m.add(other, timer, IN | EDGE);
      m.native.setTimer(timer, 1);
      expect(m.events(other, 1, waitMs)).toHaveLength(1);
      // It has expired in the first set too, which nobody has asked.
      m.native.setTimer(timer, 60_000);
      expect(m.events(set, 1, 5)).toEqual([]);
      m.native.setTimer(timer, 1);
      expect(m.events(set, 1, waitMs)).toHaveLength(1);
    });

    test('is what can be set, and nothing else', () => {
      expect(m.native.setTimer(m.eventfd(), 1)).toBe(Errno.EINVAL);
      expect(m.native.setTimer(-1, 1)).toBe(Errno.EBADF);
    });
  });

  describe('descriptors', () => {
    test('a closed number is EBADF everywhere', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.close(fd);
      expect(m.native.close(fd)).toBe(Errno.EBADF);
      expect(m.read(fd)).toBe(Errno.EBADF);
      expect(m.write(fd, '12345678')).toBe(Errno.EBADF);
      expect(m.native.signal(fd)).toBe(Errno.EBADF);
      expect(m.native.statusFlags(fd)).toBe(Errno.EBADF);
      expect(m.native.setNonBlocking(fd)).toBe(Errno.EBADF);
      expect(m.native.duplicate(fd, 0)).toBe(Errno.EBADF);
      expect(m.native.accept(fd)).toBe(Errno.EBADF);
      expect(m.native.takeError(fd)).toBe(Errno.EBADF);
      expect(m.native.localAddress(fd)).toBe(Errno.EBADF);
      expect(m.add(set, fd, IN)).toBe(Errno.EBADF);
      expect(m.modify(set, fd, IN)).toBe(Errno.EBADF);
      expect(m.remove(set, fd)).toBe(Errno.EBADF);
    });

    test('a duplicate has a number of at least what was asked for and is the same file', () => {
      const fd = m.eventfd();
      const copy = m.own(m.native.duplicate(fd, 200));
      expect(copy).toBeGreaterThanOrEqual(200);
      m.native.signal(fd);
      m.close(fd);
      expect(m.readBytes(copy)).toHaveLength(8);
    });

    test('a number can be made another file’s, and never is nobody’s', () => {
      const [reader, writer] = m.pipe();
      const fd = m.eventfd();
      expect(m.native.replace(writer, fd)).toBe(writer);
      expect(m.native.statusFlags(writer)).toBe(m.native.statusFlags(fd));
      // The writer is gone.
      expect(m.readBytes(reader)).toHaveLength(0);
      m.native.signal(writer);
      expect(m.readBytes(fd)).toHaveLength(8);
      m.close(fd);
      expect(m.native.signal(writer)).toBe(8);
      expect(m.native.replace(writer, fd)).toBe(Errno.EBADF);
      expect(m.native.replace(writer, writer)).toBe(Errno.EINVAL);
    });

    test('an epoll set that another one replaces keeps what it has under its other number', () => {
      const [set, next, fd] = [m.set(), m.set(), m.eventfd()];
      m.add(set, fd, IN, 1);
      const former = m.own(m.native.duplicate(set, 0));
      expect(m.native.replace(set, next)).toBe(set);
      m.native.signal(fd);
      expect(m.events(set)).toEqual([]);
      expect(m.modify(set, fd, IN, 2)).toBe(Errno.ENOENT);
      expect(m.add(set, fd, IN, 2)).toBe(0);
      expect(m.events(set)).toEqual([{ bits: IN, index: 2, generation: 0 }]);
      expect(m.events(former)).toEqual([{ bits: IN, index: 1, generation: 0 }]);
      expect(m.native.replace(former, set)).toBe(former);
      expect(m.modify(former, fd, IN, 3)).toBe(0);
      expect(m.events(next)).toEqual([{ bits: IN, index: 3, generation: 0 }]);
    });

    test('the flags of what the layer makes say non-blocking', () => {
      const flags = m.native.statusFlags(m.eventfd());
      expect(flags & 0o4000).toBe(0o4000);
      expect(flags & 3).toBe(2);
      const socket = m.own(m.native.socketStream('IPv4'));
      expect(m.native.statusFlags(socket) & 0o4000).toBe(0o4000);
    });

    test('an address that is not native memory is EFAULT', () => {
      const [reader, writer] = m.pipe();
      m.write(writer, 'x');
      expect(m.native.read(reader, 0, 8)).toBe(EFAULT);
      expect(m.native.write(writer, 0, 8)).toBe(EFAULT);
    });
  });

  describe('a pipe', () => {
    test('gives what was written in the pieces that are asked for, then EAGAIN', () => {
      const [reader, writer] = m.pipe();
      expect(m.write(writer, 'hello')).toBe(5);
      expect(m.read(reader, 2)).toBe('he');
      expect(m.read(reader)).toBe('llo');
      expect(m.read(reader)).toBe(Errno.EAGAIN);
    });

    test('without a writer it reports HUP without IN, and reads as ended', () => {
      const [reader, writer] = m.pipe();
      const set = m.set();
      m.add(set, reader, IN);
      m.close(writer);
      expect(m.event(set)).toBe(HUP);
      expect(m.read(reader)).toBe('');
    });

    test('what was written before the writer went is read first', () => {
      const [reader, writer] = m.pipe();
      m.write(writer, 'last');
      m.close(writer);
      expect(m.ready(reader, HUP)).toBe(IN | HUP);
      expect(m.read(reader)).toBe('last');
      expect(m.read(reader)).toBe('');
    });

    test('without a reader it reports ERR to the writer, and writes are EPIPE', () => {
      const [reader, writer] = m.pipe();
      const set = m.set();
      m.add(set, writer, 0);
      m.close(reader);
      expect(m.event(set)).toBe(ERR);
      expect(m.write(writer, 'x')).toBe(Errno.EPIPE);
    });

    test('is no socket: nothing can be received from it or sent to it', () => {
      const [reader, writer] = m.pipe();
      const { address } = m.native.memory(8);
      m.write(writer, 'x');
      expect(m.native.receive(reader, address, 8)).toBe(Errno.ENOTSOCK);
      expect(m.native.send(writer, address, 8)).toBe(Errno.ENOTSOCK);
      expect(m.native.receive(-1, address, 8)).toBe(Errno.EBADF);
    });

    test('its ends go one way only', () => {
      const [reader, writer] = m.pipe();
      expect(m.write(reader, 'x')).toBe(Errno.EBADF);
      expect(m.read(writer)).toBe(Errno.EBADF);
    });

    test('takes no more than it holds, and reports OUT when there is room', () => {
      const [reader, writer] = m.pipe();
      const set = m.set();
      m.add(set, writer, OUT | EDGE);
      expect(m.event(set)).toBe(OUT);
      let sent = 0;
      for (let count = 0; count >= 0; count = m.write(writer, new Uint8Array(60_000))) sent += count;
      expect(sent).toBeGreaterThan(0);
      expect(m.events(set)).toEqual([]);
      let got = 0;
      for (let piece = m.readBytes(reader); typeof piece !== 'number'; piece = m.readBytes(reader))
        got += piece.length;
      expect(got).toBe(sent);
      expect(m.event(set)).toBe(OUT);
    });
  });

  describe('epoll_ctl', () => {
    test('ADD of what is there is EEXIST and changes nothing', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      expect(m.add(set, fd, IN, 7, 1)).toBe(0);
      expect(m.add(set, fd, OUT, 8, 2)).toBe(Errno.EEXIST);
      m.native.signal(fd);
      expect(m.events(set)).toEqual([{ bits: IN, index: 7, generation: 1 }]);
    });

    test('MOD and DEL of what is not there are ENOENT', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      expect(m.modify(set, fd, IN)).toBe(Errno.ENOENT);
      expect(m.remove(set, fd)).toBe(Errno.ENOENT);
      m.add(set, fd, IN);
      expect(m.remove(set, fd)).toBe(0);
      expect(m.remove(set, fd)).toBe(Errno.ENOENT);
    });

    test('a file on disk is EPERM', () => {
      const [set, fd] = [m.set(), m.file()];
      expect(m.add(set, fd, IN)).toBe(Errno.EPERM);
    });

    test('a set in itself is EINVAL, in its own member ELOOP; what is no set is EINVAL', () => {
      const [outer, inner, fd] = [m.set(), m.set(), m.eventfd()];
      expect(m.add(outer, outer, IN)).toBe(Errno.EINVAL);
      expect(m.add(outer, inner, IN)).toBe(0);
      expect(m.add(inner, outer, IN)).toBe(Errno.ELOOP);
      expect(m.add(fd, inner, IN)).toBe(Errno.EINVAL);
      expect(m.native.epollWait(fd, 0, 1, 0)).toBe(Errno.EINVAL);
    });

    test('the data words come back as they were given', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN, -3, 0x7fffffff);
      m.native.signal(fd);
      expect(m.events(set)).toEqual([{ bits: IN, index: -3, generation: 0x7fffffff }]);
      m.modify(set, fd, IN, 5, -1);
      expect(m.events(set)).toEqual([{ bits: IN, index: 5, generation: -1 }]);
    });

    test('a condition that is true already is reported after ADD', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.native.signal(fd);
      m.add(set, fd, IN | OUT | EDGE);
      expect(m.event(set)).toBe(IN | OUT);
      expect(m.events(set)).toEqual([]);
    });

    test('two numbers of one file are two members, each with its own bits', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      const copy = m.own(m.native.duplicate(fd, fd + 1));
      m.add(set, fd, IN, 1);
      m.add(set, copy, OUT, 2);
      expect(m.events(set)).toEqual([{ bits: OUT, index: 2, generation: 0 }]);
      m.native.signal(fd);
      const events = m.events(set).toSorted((a, b) => a.index - b.index);
      expect(events.map(({ bits, index }) => [bits, index])).toEqual([
        [IN, 1],
        [OUT, 2],
      ]);
    });

    test('DEL ends reports', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN);
      m.native.signal(fd);
      m.remove(set, fd);
      expect(m.events(set)).toEqual([]);
    });
  });

  describe('delivery', () => {
    test('level-triggered: as long as it is true', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN);
      m.native.signal(fd);
      expect(m.event(set)).toBe(IN);
      expect(m.event(set)).toBe(IN);
      m.readBytes(fd);
      expect(m.events(set)).toEqual([]);
    });

    test('edge-triggered: once, and again after a MOD with the same bits', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN | EDGE);
      m.native.signal(fd);
      expect(m.event(set)).toBe(IN);
      expect(m.events(set)).toEqual([]);
      m.modify(set, fd, IN | EDGE);
      expect(m.event(set)).toBe(IN);
    });

    test('edge-triggered: more data is an edge although the first was not read', () => {
      const [one, other] = m.pair();
      const set = m.set();
      m.add(set, other, IN | EDGE);
      m.write(one, 'a');
      expect(m.event(set)).toBe(IN);
      m.write(one, 'b');
      expect(m.event(set)).toBe(IN);
      expect(m.read(other)).toBe('ab');
    });

    test('edge-triggered: an event tells all that is true, not only what changed', () => {
      const [one, other] = m.pair();
      const set = m.set();
      m.add(set, other, IN | OUT | RDHUP | EDGE);
      expect(m.event(set)).toBe(OUT);
      m.write(one, 'a');
      expect(m.event(set)).toBe(IN | OUT);
    });

    test('an edge whose cause is gone when the kernel is asked is not reported', () => {
      const [one, other] = m.pair();
      const set = m.set();
      m.add(set, other, IN | EDGE);
      m.write(one, 'a');
      m.read(other);
      expect(m.events(set)).toEqual([]);
    });

    test('oneshot: once, then silent until a MOD, which tests the condition', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      m.add(set, fd, IN | ONESHOT);
      m.native.signal(fd);
      expect(m.event(set)).toBe(IN);
      m.native.signal(fd);
      expect(m.events(set)).toEqual([]);
      m.modify(set, fd, IN | ONESHOT);
      expect(m.event(set)).toBe(IN);
      m.readBytes(fd);
      m.modify(set, fd, IN | ONESHOT);
      expect(m.events(set)).toEqual([]);
    });

    test('oneshot: silent for HUP as well, which the MOD reports', () => {
      const [reader, writer] = m.pipe();
      const set = m.set();
      m.add(set, reader, IN | ONESHOT);
      m.write(writer, 'x');
      expect(m.event(set)).toBe(IN);
      m.close(writer);
      expect(m.events(set)).toEqual([]);
      m.modify(set, reader, ONESHOT);
      expect(m.event(set)).toBe(HUP);
    });

    test('ERR and HUP cannot be masked: a level-triggered member with no bits reports them for ever', () => {
      const [reader, writer] = m.pipe();
      const set = m.set();
      m.add(set, reader, 0);
      m.write(writer, 'x');
      expect(m.events(set)).toEqual([]);
      m.close(writer);
      expect(m.event(set)).toBe(HUP);
      expect(m.event(set)).toBe(HUP);
    });

    test('at most `max` events, and those that came too short are first the next time', () => {
      const set = m.set();
      const fds = [m.eventfd(), m.eventfd(), m.eventfd()];
      for (const [i, fd] of fds.entries()) {
        m.add(set, fd, IN, i);
        m.native.signal(fd);
      }
      const seen = [m.events(set, 2), m.events(set, 2), m.events(set, 2)].flat().map(({ index }) => index);
      expect(seen).toEqual([0, 1, 2, 0, 1, 2]);
    });

    test('a set is readable while a member is ready', () => {
      const [outer, inner, fd] = [m.set(), m.set(), m.eventfd()];
      m.add(inner, fd, IN);
      m.add(outer, inner, IN);
      expect(m.events(outer)).toEqual([]);
      m.native.signal(fd);
      expect(m.event(outer)).toBe(IN);
      expect(m.event(outer)).toBe(IN);
      m.readBytes(fd);
      expect(m.events(outer)).toEqual([]);
    });

    test('a wait may be limited to no time and to no event', () => {
      const set = m.set();
      expect(m.events(set)).toEqual([]);
      expect(m.native.epollWait(set, m.native.memory(64).address, 0, 0)).toBe(Errno.EINVAL);
    });
  });

  describe('a number that was closed while the file lives on', () => {
    test('keeps reporting, and can be neither changed nor removed', () => {
      const [set, fd] = [m.set(), m.eventfd()];
      const copy = m.own(m.native.duplicate(fd, 300));
      m.add(set, fd, IN, 9, 4);
      m.close(fd);
      m.native.signal(copy);
      expect(m.events(set)).toEqual([{ bits: IN, index: 9, generation: 4 }]);
      expect(m.modify(set, fd, 0)).toBe(Errno.EBADF);
      expect(m.remove(set, fd)).toBe(Errno.EBADF);
      expect(m.remove(set, copy)).toBe(Errno.ENOENT);
      m.close(copy);
      expect(m.events(set)).toEqual([]);
    });

    test('reports beside the new file of that number, which is a member of its own', () => {
      const [set, other] = [m.set(), m.eventfd()];
      const fd = m.own(m.native.duplicate(m.eventfd(), 310));
      const copy = m.own(m.native.duplicate(fd, 320));
      m.add(set, fd, IN, 9, 4);
      m.close(fd);
      expect(m.own(m.native.duplicate(other, fd))).toBe(fd);
      expect(m.modify(set, fd, IN)).toBe(Errno.ENOENT);
      expect(m.add(set, fd, IN, 9, 5)).toBe(0);
      m.native.signal(copy);
      expect(m.events(set)).toEqual([{ bits: IN, index: 9, generation: 4 }]);
      // The danger that rule R1 is about: a late MOD reaches the new file.
      expect(m.modify(set, fd, IN, 9, 4)).toBe(0);
    });
  });

  describe.each(['unix', 'IPv4'] as const)('stream sockets, %s', (family) => {
    const any = (): SocketAddress =>
      family === 'unix' ? { family, path: m.path() } : { family, address: '127.0.0.1', port: 0 };

    const listening = (backlog = 8): { fd: number; address: SocketAddress } => {
      const fd = m.own(m.native.socketStream(family));
      expect(m.native.bind(fd, any())).toBe(0);
      expect(m.native.listen(fd, backlog)).toBe(0);
      return { fd, address: m.native.localAddress(fd) as SocketAddress };
    };

    const connection = (): { client: number; server: number } => {
      const { fd, address } = listening();
      const client = m.connect(address);
      m.ready(fd, IN);
      return { client, server: m.own(m.native.accept(fd)) };
    };

    test('a listener is readable while connections wait', () => {
      const { fd, address } = listening();
      const set = m.set();
      m.add(set, fd, IN);
      expect(m.native.accept(fd)).toBe(Errno.EAGAIN);
      const client = m.connect(address);
      expect(m.event(set)).toBe(IN);
      const server = m.own(m.native.accept(fd));
      expect(server).toBeGreaterThanOrEqual(0);
      expect(m.events(set)).toEqual([]);
      expect(m.native.accept(fd)).toBe(Errno.EAGAIN);
      expect(m.write(client, 'hi')).toBe(2);
      m.ready(server, IN);
      expect(m.read(server)).toBe('hi');
    });

    test('each connection is an edge', () => {
      const { fd, address } = listening();
      const set = m.set();
      m.add(set, fd, IN | EDGE);
      m.connect(address);
      expect(m.event(set)).toBe(IN);
      m.connect(address);
      expect(m.event(set)).toBe(IN);
    });

    test('both ends know their addresses', () => {
      const { fd, address } = listening();
      const client = m.connect(address);
      m.ready(fd, IN);
      const server = m.own(m.native.accept(fd));
      expect(m.native.localAddress(server)).toEqual(address);
      expect(m.native.peerAddress(client)).toEqual(address);
      expect(m.native.peerAddress(server)).toEqual(m.native.localAddress(client));
      expect(m.native.peerAddress(fd)).toBe(Errno.ENOTCONN);
    });

    test('an address can be bound once, and a socket too', () => {
      const { fd, address } = listening();
      const second = m.own(m.native.socketStream(family));
      expect(m.native.bind(second, address)).toBe(Errno.EADDRINUSE);
      expect(m.native.bind(fd, any())).toBe(Errno.EINVAL);
    });

    test('what is no address is EINVAL', () => {
      const fd = m.own(m.native.socketStream(family));
      const wrong: SocketAddress =
        family === 'unix' ? { family, path: '' } : { family, address: '1.2.3', port: 1 };
      expect(m.native.bind(fd, wrong)).toBe(Errno.EINVAL);
    });

    test('nobody listens: refused', () => {
      const { fd, address } = listening();
      m.close(fd);
      expect(m.connect(address)).toBe(ECONNREFUSED);
    });

    test('accepting needs a listening socket', () => {
      expect(m.native.accept(m.own(m.native.socketStream(family)))).toBe(Errno.EINVAL);
      expect(m.native.accept(m.eventfd())).toBe(Errno.ENOTSOCK);
    });

    test('a fresh socket is writable and hung up, and cannot be used', () => {
      const fd = m.own(m.native.socketStream(family));
      expect(m.ready(fd, HUP)).toBe(OUT | HUP);
      expect(m.read(fd)).toBe(family === 'unix' ? Errno.EINVAL : Errno.ENOTCONN);
      expect(m.write(fd, 'x')).toBe(family === 'unix' ? Errno.ENOTCONN : Errno.EPIPE);
      expect(m.native.shutdown(fd, Shutdown.WRITE)).toBe(family === 'unix' ? 0 : Errno.ENOTCONN);
    });

    test('bytes go both ways, in order, in pieces, and then EAGAIN', () => {
      const { client, server } = connection();
      m.write(client, 'one');
      m.write(client, 'two');
      m.ready(server, IN);
      expect(m.read(server, 4)).toBe('onet');
      expect(m.read(server, 4)).toBe('wo');
      expect(m.read(server, 4)).toBe(Errno.EAGAIN);
      m.write(server, 'back');
      m.ready(client, IN);
      expect(m.read(client)).toBe('back');
    });

    test('receive and send do as read and write, and EPIPE raises no signal', () => {
      const { client, server } = connection();
      const region = m.native.memory(8);
      region.bytes.set(Buffer.from('12345678'));
      expect(m.native.send(client, region.address, 8)).toBe(8);
      m.ready(server, IN);
      region.bytes.fill(0);
      expect(m.native.receive(server, region.address, 5)).toBe(5);
      expect(Buffer.from(region.bytes.slice(0, 5)).toString()).toBe('12345');
      expect(m.read(server)).toBe('678');
      expect(m.native.receive(server, region.address, 5)).toBe(Errno.EAGAIN);
      m.native.shutdown(server, Shutdown.WRITE);
      expect(m.native.send(server, region.address, 8)).toBe(Errno.EPIPE);
      m.ready(client, RDHUP);
      expect(m.native.receive(client, region.address, 8)).toBe(0);
    });

    test('a writer that was refused hears OUT when the reader has made room', () => {
      const { client, server } = connection();
      const set = m.set();
      m.add(set, server, IN | OUT | RDHUP | EDGE);
      expect(m.event(set)).toBe(OUT);
      let sent = 0;
      for (let count = 0; count >= 0; count = m.write(server, new Uint8Array(60_000))) sent += count;
      expect(m.events(set)).toEqual([]);
      let got = 0;
      while (got < sent) {
        const piece = m.readBytes(client);
        if (typeof piece === 'number') m.ready(client, IN);
        else got += piece.length;
      }
      expect(got).toBe(sent);
      expect(m.event(set)).toBe(OUT);
      expect(m.write(server, 'more')).toBe(4);
    });

    test('a half-close is IN and RDHUP, reads as ended after the data, and the other way stays open', () => {
      const { client, server } = connection();
      const set = m.set();
      m.write(client, 'last');
      m.ready(server, IN);
      m.add(set, server, IN | RDHUP | EDGE);
      expect(m.event(set)).toBe(IN);
      expect(m.native.shutdown(client, Shutdown.WRITE)).toBe(0);
      expect(m.event(set)).toBe(IN | RDHUP);
      expect(m.read(server)).toBe('last');
      expect(m.read(server)).toBe('');
      expect(m.read(server)).toBe('');
      expect(m.write(client, 'x')).toBe(Errno.EPIPE);
      expect(m.write(server, 'answer')).toBe(6);
      m.ready(client, IN);
      expect(m.read(client)).toBe('answer');
    });

    test('when both sides have ended, both are hung up', () => {
      const { client, server } = connection();
      m.native.shutdown(client, Shutdown.WRITE);
      m.ready(server, RDHUP);
      m.native.shutdown(server, Shutdown.WRITE);
      expect(m.ready(client, HUP)).toBe(IN | OUT | RDHUP | HUP);
      expect(m.ready(server, HUP)).toBe(IN | OUT | RDHUP | HUP);
    });

    test('a peer that closes looks as one that half-closes; AF_UNIX knows that it is hung up', () => {
      const { client, server } = connection();
      m.close(client);
      const bits = m.ready(server, RDHUP);
      expect(bits).toBe(IN | OUT | RDHUP | (family === 'unix' ? HUP : 0));
      expect(m.read(server)).toBe('');
    });

    test('writing to a peer that has closed is EPIPE in the end; TCP learns it from the first write', () => {
      const { client, server } = connection();
      m.close(client);
      m.ready(server, RDHUP);
      if (family === 'IPv4') {
        expect(m.write(server, 'x')).toBe(1);
        expect(m.ready(server, HUP)).toBe(IN | OUT | ERR | HUP | RDHUP);
      }
      expect(m.write(server, 'x')).toBe(Errno.EPIPE);
      expect(m.write(server, 'x')).toBe(Errno.EPIPE);
      expect(m.native.takeError(server)).toBe(0);
    });

    test('a peer that closes with unread input resets: the error is told once', () => {
      const { client, server } = connection();
      m.write(server, 'unread');
      m.ready(client, IN);
      m.close(client);
      expect(m.ready(server, ERR)).toBe(IN | OUT | ERR | HUP | RDHUP);
      expect(m.native.takeError(server)).toBe(-Errno.ECONNRESET);
      expect(m.native.takeError(server)).toBe(0);
      expect(m.ready(server, HUP)).toBe(IN | OUT | HUP | RDHUP);
      expect(m.read(server)).toBe('');
    });

    test('data that came before a reset is read before the error', () => {
      const { client, server } = connection();
      m.write(client, 'data');
      m.ready(server, IN);
      m.write(server, 'unread');
      m.ready(client, IN);
      m.close(client);
      m.ready(server, ERR);
      expect(m.read(server)).toBe('data');
      expect(m.read(server)).toBe(Errno.ECONNRESET);
      expect(m.read(server)).toBe('');
    });

    test('a oneshot member is silent about a reset until it is re-armed', () => {
      const { client, server } = connection();
      const set = m.set();
      m.write(client, 'x');
      m.ready(server, IN);
      m.add(set, server, IN | RDHUP | ONESHOT);
      expect(m.event(set)).toBe(IN);
      m.write(server, 'unread');
      m.ready(client, IN);
      m.close(client);
      m.ready(server, ERR);
      expect(m.events(set)).toEqual([]);
      m.modify(set, server, IN | RDHUP | ONESHOT);
      expect(m.event(set)).toBe(IN | ERR | HUP | RDHUP);
    });

    test('shutting down what is no socket is ENOTSOCK', () => {
      const fd = m.eventfd();
      expect(m.native.shutdown(fd, Shutdown.BOTH)).toBe(Errno.ENOTSOCK);
      expect(m.native.takeError(fd)).toBe(Errno.ENOTSOCK);
      expect(m.native.localAddress(fd)).toBe(Errno.ENOTSOCK);
      expect(m.native.peerAddress(fd)).toBe(Errno.ENOTSOCK);
    });

    test('a listener that closes resets those who wait', () => {
      const { fd, address } = listening();
      const client = m.connect(address);
      m.ready(fd, IN);
      m.close(fd);
      expect(m.ready(client, ERR)).toBe(IN | OUT | ERR | HUP | RDHUP);
      expect(m.native.takeError(client)).toBe(-Errno.ECONNRESET);
    });

    test('options are for the sockets that have them', () => {
      const fd = m.own(m.native.socketStream(family));
      const tcp = family === 'unix' ? Errno.EOPNOTSUPP : 0;
      expect(m.native.setReuseAddress(fd, true)).toBe(0);
      expect(m.native.setNoDelay(fd, true)).toBe(tcp);
      expect(m.native.setKeepAlive(fd, 30)).toBe(tcp);
      expect(m.native.setKeepAlive(fd, 0)).toBe(0);
      expect(m.native.setIpv6Only(fd, true)).toBe(family === 'unix' ? Errno.EOPNOTSUPP : -92);
      expect(m.native.setResetOnClose(fd)).toBe(0);
    });
  });

  test('TCP: closing with reset-on-close resets', () => {
    const fd = m.own(m.native.socketStream('IPv4'));
    m.native.bind(fd, { family: 'IPv4', address: '127.0.0.1', port: 0 });
    m.native.listen(fd, 1);
    const client = m.connect(m.native.localAddress(fd) as SocketAddress);
    m.ready(fd, IN);
    const server = m.own(m.native.accept(fd));
    m.native.setResetOnClose(client);
    m.close(client);
    expect(m.ready(server, ERR)).toBe(IN | OUT | ERR | HUP | RDHUP);
    expect(m.read(server)).toBe(Errno.ECONNRESET);
    expect(m.native.shutdown(server, Shutdown.WRITE)).toBe(Errno.ENOTCONN);
  });

  describe('connect', () => {
    const socket = (family: 'IPv4' | 'unix' = 'IPv4'): number => m.own(m.native.socketStream(family));
    const listener = (backlog = 8): { fd: number; address: SocketAddress } => {
      const fd = socket();
      m.native.bind(fd, { family: 'IPv4', address: '127.0.0.1', port: 0 });
      m.native.listen(fd, backlog);
      return { fd, address: m.native.localAddress(fd) as SocketAddress };
    };
    /** An address where nobody listens. */
    const nobody = (): SocketAddress => {
      const { fd, address } = listener();
      m.close(fd);
      return address;
    };

    test('TCP: is under way, then writable, without an error and with a peer', () => {
      const { fd, address } = listener();
      const [client, set] = [socket(), m.set()];
      expect(m.native.connect(client, address)).toBe(Errno.EINPROGRESS);
      m.add(set, client, OUT | EDGE);
      expect(m.event(set)).toBe(OUT);
      expect(m.native.takeError(client)).toBe(0);
      expect(m.native.peerAddress(client)).toEqual(address);
      expect(m.native.connect(client, address)).toBe(0);
      expect(m.native.connect(client, address)).toBe(Errno.EISCONN);
      m.ready(fd, IN);
      const server = m.own(m.native.accept(fd));
      expect(m.native.peerAddress(server)).toEqual(m.native.localAddress(client));
      expect(m.write(client, 'hi')).toBe(2);
      m.ready(server, IN);
      expect(m.read(server)).toBe('hi');
    });

    test('TCP: where nobody listens it hangs up, and the error is told once', () => {
      const [client, address] = [socket(), nobody()];
      expect(m.native.connect(client, address)).toBe(Errno.EINPROGRESS);
      expect(m.ready(client, ERR)).toBe(IN | OUT | RDHUP | HUP | ERR);
      expect(m.native.peerAddress(client)).toBe(Errno.ENOTCONN);
      expect(m.native.takeError(client)).toBe(-ECONNREFUSED);
      expect(m.native.takeError(client)).toBe(0);
      expect(m.ready(client, HUP)).toBe(IN | OUT | RDHUP | HUP);
    });

    test('TCP: a full backlog leaves it under way, without a word', () => {
      const { fd, address } = listener(0);
      const [first, second, set] = [socket(), socket(), m.set()];
      m.native.connect(first, address);
      m.ready(first, OUT);
      m.ready(fd, IN);
      expect(m.native.connect(second, address)).toBe(Errno.EINPROGRESS);
      m.add(set, second, IN | OUT | RDHUP | EDGE);
      expect(m.events(set)).toEqual([]);
      expect(m.native.takeError(second)).toBe(0);
      expect(m.native.peerAddress(second)).toBe(Errno.ENOTCONN);
      expect(m.native.connect(second, address)).toBe(Errno.EALREADY);
      expect(m.write(second, 'early')).toBe(Errno.EAGAIN);
      expect(m.read(second)).toBe(Errno.EAGAIN);
      m.own(m.native.accept(fd));
      expect(m.event(set)).toBe(OUT);
      expect(m.native.peerAddress(second)).toEqual(address);
    });

    test('TCP: a socket that never was connected looks writable and hung up', () => {
      const [client, set] = [socket(), m.set()];
      m.add(set, client, IN | OUT | RDHUP | EDGE);
      expect(m.event(set)).toBe(OUT | HUP);
      expect(m.native.takeError(client)).toBe(0);
      expect(m.native.peerAddress(client)).toBe(Errno.ENOTCONN);
    });

    test('AF_UNIX: answers at once', () => {
      const fd = socket('unix');
      const address = { family: 'unix', path: m.path() } as const;
      expect(m.native.connect(socket('unix'), address)).toBe(Errno.ENOENT);
      m.native.bind(fd, address);
      expect(m.native.connect(socket('unix'), address)).toBe(ECONNREFUSED);
      m.native.listen(fd, 0);
      const [client, late] = [socket('unix'), socket('unix')];
      expect(m.native.connect(client, address)).toBe(0);
      expect(m.native.connect(late, address)).toBe(Errno.EAGAIN);
      expect(m.ready(late, OUT)).toBe(OUT | HUP);
      const server = m.own(m.native.accept(fd));
      expect(m.write(client, 'hi')).toBe(2);
      expect(m.read(server)).toBe('hi');
      expect(m.native.connect(client, address)).toBe(Errno.EISCONN);
      expect(m.native.connect(late, address)).toBe(0);
    });

    test('what is no socket, no address or of another family is refused', () => {
      const address: SocketAddress = { family: 'IPv4', address: '127.0.0.1', port: 1 };
      expect(m.native.connect(m.eventfd(), address)).toBe(Errno.ENOTSOCK);
      expect(m.native.connect(999, address)).toBe(Errno.EBADF);
      expect(m.native.connect(socket(), { ...address, address: 'localhost' })).toBe(Errno.EINVAL);
      expect(m.native.connect(socket('unix'), { family: 'unix', path: '' })).toBe(Errno.EINVAL);
    });
  });

  test('AF_UNIX: a backlog lets one more wait than was asked for, then EAGAIN', () => {
    const fd = m.own(m.native.socketStream('unix'));
    const address = { family: 'unix', path: m.path() } as const;
    expect(m.native.listen(fd, 2)).toBe(Errno.EINVAL);
    m.native.bind(fd, address);
    m.native.listen(fd, 2);
    for (let i = 0; i < 3; i++) expect(m.connect(address)).toBeGreaterThanOrEqual(0);
    expect(m.connect(address)).toBe(Errno.EAGAIN);
    expect(m.own(m.native.accept(fd))).toBeGreaterThanOrEqual(0);
    expect(m.connect(address)).toBeGreaterThanOrEqual(0);
  });

  test('a pair has no names', () => {
    const [one] = m.pair();
    expect(m.native.localAddress(one)).toEqual({ family: 'unix', path: '' });
    expect(m.native.peerAddress(one)).toEqual({ family: 'unix', path: '' });
  });
});
