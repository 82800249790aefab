/**
 * libc as it is bound here: every descriptor that is made closes at exec, structures have the kernel's sizes, errno is
 * that of the call. Scenario 41 at the level of the native layer.
 */
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { Epoll, EpollOp, Errno, openNative, type SocketAddress } from '../../src/native/index.ts';

const native = openNative();
const opened: number[] = [];

function own(fd: number): number {
  expect(fd).toBeGreaterThanOrEqual(0);
  opened.push(fd);
  return fd;
}

afterAll(() => {
  for (const fd of opened) native.close(fd);
});

function accept(): { listener: number; accepted: number } {
  const listener = own(native.socketStream('IPv4'));
  native.bind(listener, { family: 'IPv4', address: '127.0.0.1', port: 0 });
  native.listen(listener, 4);
  // The library has no connect(): a child is the client.
  const { port } = native.localAddress(listener) as { port: number };
  const script = `require('node:net').connect(${port}, '127.0.0.1').on('connect', () => process.exit(0))`;
  expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0);
  return { listener, accepted: own(native.accept(listener)) };
}

describe('descriptors', () => {
  test('every one that is made is close-on-exec, and a child has none of them', () => {
    const { listener, accepted } = accept();
    const made = [
      own(native.epollCreate()),
      own(native.eventfd()),
      own(native.socketStream('IPv4')),
      own(native.socketStream('IPv6')),
      own(native.socketStream('unix')),
      listener,
      accepted,
      own(native.duplicate(accepted, 100)),
    ];
    const inodes = made.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    for (const fd of made) {
      const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
      expect(Number.parseInt(flags, 8) & 0o2000000).toBe(0o2000000);
    }
    const list = spawnSync('sh', ['-c', 'for f in /proc/self/fd/*; do readlink "$f"; done'], {
      encoding: 'utf8',
    }).stdout;
    const sockets = inodes.filter((name) => name.startsWith('socket:'));
    expect(sockets).toHaveLength(made.length - 2);
    for (const name of sockets) expect(list).not.toContain(name);
    expect(list).not.toContain('anon_inode');
  });

  test('an accepted connection and a new socket do not block', () => {
    const { accepted } = accept();
    for (const fd of [accepted, own(native.socketStream('unix'))]) {
      expect(native.statusFlags(fd) & 0o4000).toBe(0o4000);
    }
  });

  test('what blocks can be made not to', () => {
    const fd = own(openSync('/dev/null', 'r'));
    expect(native.statusFlags(fd) & 0o4000).toBe(0);
    expect(native.setNonBlocking(fd)).toBe(0);
    expect(native.statusFlags(fd) & 0o4000).toBe(0o4000);
    expect(native.setNonBlocking(fd)).toBe(0);
  });
});

describe('structures', () => {
  test('an epoll event is as large as the kernel writes it', () => {
    const set = own(native.epollCreate());
    const region = native.memory(64);
    region.bytes.fill(0xaa);
    for (const index of [11, 12]) {
      const fd = own(native.eventfd());
      native.signal(fd);
      native.epollControl(set, EpollOp.ADD, fd, Epoll.IN, index, index + 100);
    }
    expect(native.epollWait(set, region.address, 2, 0)).toBe(2);
    const { stride, index, generation } = native.events;
    expect(stride * 4).toBe(process.arch === 'x64' ? 12 : 16);
    const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset, 16);
    for (const [i, expected] of [11, 12].entries()) {
      expect(words[i * stride]).toBe(Epoll.IN);
      expect(words[i * stride + index]).toBe(expected);
      expect(words[i * stride + generation]).toBe(expected + 100);
    }
    expect(region.bytes[2 * stride * 4]).toBe(0xaa);
  });

  test.each([
    { family: 'IPv4', address: '127.0.0.1', port: 0 },
    // A mapped address, which needs no IPv6 network.
    { family: 'IPv6', address: '::ffff:127.0.0.1', port: 0 },
    { family: 'unix', path: `\0wakeone-libc-test-${process.pid}` },
  ] as const)('the kernel reads and writes addresses of family $family', (address: SocketAddress) => {
    const fd = own(native.socketStream(address.family));
    expect(native.bind(fd, address)).toBe(0);
    const bound = native.localAddress(fd);
    if (address.family === 'unix') expect(bound).toEqual(address);
    else expect(bound).toEqual({ ...address, port: expect.any(Number) });
  });

  test('an abstract name of one byte is bound as it is', () => {
    const fd = own(native.socketStream('unix'));
    const path = `\0${String.fromCodePoint(1 + (process.pid % 100))}${process.pid}\0`;
    expect(native.bind(fd, { family: 'unix', path })).toBe(0);
    expect(native.localAddress(fd)).toEqual({ family: 'unix', path });
  });
});

describe('what the kernel says of the process', () => {
  test('the limit of open files is that of /proc/self/limits', () => {
    const limit = /Max open files\s+(\S+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    expect(native.openFilesLimit()).toBe(limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit));
  });

  test('the thread is one of the process', () => {
    native.yieldThread();
    expect(readFileSync(`/proc/self/task/${native.threadId()}/stat`, 'utf8')).toContain(
      `${native.threadId()} (`,
    );
  });

  test('there is one layer per thread', () => {
    expect(openNative()).toBe(native);
  });
});

test('errno is that of the call, not of an earlier one', () => {
  const fd = own(native.eventfd());
  expect(native.close(-1)).toBe(Errno.EBADF);
  expect(native.read(fd, native.memory(8).address, 8)).toBe(Errno.EAGAIN);
  expect(native.accept(fd)).toBe(Errno.ENOTSOCK);
  expect(native.signal(fd)).toBe(8);
});
