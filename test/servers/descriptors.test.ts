/**
 * Bare descriptors through the whole pool: readiness that is there before the registration, small rings, wake-ups from
 * outside, pipes, urgent data. Scenarios 5, 61, 62 (laps), 68, 85, 87, 109.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openNative } from '../../src/native/index.ts';
import { until, within } from './deadline.ts';
import { afterTest, guardPools, openPool, STRESS } from './pools.ts';

const HANDLED = 1;
const LAST = 2;
const GATE = 3;
const BYTES = 4;
const WAITING = 5;
const EACH = 16;
const MODES = ['oneshot', 'edge'] as const;

guardPools();

/** Eventfds, readable or not; closed after the test. */
function eventfds(count: number, readable: boolean): number[] {
  const native = openNative();
  const fds = Array.from({ length: count }, () => native.eventfd());
  if (readable) for (const fd of fds) native.signal(fd);
  afterTest(() => {
    for (const fd of fds) closeSync(fd);
  });
  return fds;
}

/** Both ends of a fifo, the reading one first. */
function fifo(): {
  readonly reader: number;
  readonly writer: number;
  closeReader(): void;
  closeWriter(): void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'wakeone-fifo-'));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  rmSync(folder, { recursive: true });
  const open = new Set([reader, writer]);
  const close = (fd: number): void => {
    if (open.delete(fd)) closeSync(fd);
  };
  afterTest(() => {
    for (const fd of open) closeSync(fd);
  });
  return { reader, writer, closeReader: () => close(reader), closeWriter: () => close(writer) };
}

describe.each(MODES)('descriptors in mode %s', (mode) => {
  it.each([1, 2, 4])(
    'that are readable before they are added are delivered at once, with %i threads',
    async (minThreads) => {
      const { pool, journal } = await openPool('descriptors', { minThreads });
      const fds = eventfds(300, true);
      for (const [i, fd] of fds.entries()) {
        pool.add(fd, { handler: 'drain', mode });
        // One after the other, so that no later wake-up brings an earlier event.
        await journal.untilCounted(HANDLED, i + 1, 2000);
      }
      expect(journal.counted(HANDLED)).toBe(fds.length);
    },
  );

  it('are delivered in full, and in rounds, through a ring of 4 hints', async () => {
    const many = STRESS ? 10_000 : 900;
    const { pool, journal } = await openPool('descriptors', { ringSize: 4, minThreads: 2 });
    const native = openNative();
    const fds = eventfds(many, false);
    for (const fd of fds) pool.add(fd, { handler: 'drain', mode });
    // Enough rounds for the 2^11 laps of the ring's cells to wrap.
    const rounds = STRESS ? 5 : 12;
    for (let round = 1; round <= rounds; round++) {
      for (const fd of fds) native.signal(fd);
      await journal.untilCounted(HANDLED, round * many);
      if (!STRESS) for (const fd of fds) expect(journal.counted(EACH + fd)).toBe(round);
    }
    expect(pool.stats().ringOverflows).toBeGreaterThan(0);
    await pool.close();
    expect(journal.counted(LAST)).toBe(many);
  });

  it('that became ready while all workers were blocked are all handled later, in a ring of 2 hints', async () => {
    const { pool, journal } = await openPool('descriptors', { ringSize: 2 });
    const fds = eventfds(500, true);
    for (const fd of fds) pool.add(fd, { handler: 'gated', mode });
    await journal.untilCounted(WAITING, 2);
    journal.set(GATE, 1);
    await journal.untilCounted(HANDLED, fds.length);
    expect(journal.counted(HANDLED)).toBe(fds.length);
  });

  it('lose no request that races a parking worker', async () => {
    const { pool, journal } = await openPool('descriptors', { minThreads: 2 });
    const [fd = -1] = eventfds(1, true);
    const registration = pool.add(fd, { handler: 'silent', mode, rearm: 'manual' });
    const rounds = STRESS ? 200_000 : 4000;
    for (let round = 1; round <= rounds; round++) {
      await journal.untilCounted(HANDLED, round, 3000);
      registration.enable();
    }
    await journal.untilCounted(HANDLED, rounds + 1);
  });

  it('move every byte of a pipe that is written while it is read', async () => {
    const { pool, journal } = await openPool('descriptors');
    const { reader, writer, closeWriter } = fifo();
    const registration = pool.add(reader, { handler: 'pump', mode });
    const chunk = Buffer.alloc(1000, 1);
    let sent = 0;
    while (sent < 2_000_000) {
      try {
        sent += writeSync(writer, chunk, 0, 1 + (sent % 1000));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
        // A pipe holds 64 KiB: half of it is free then.
        await journal.untilCounted(BYTES, sent - 32_768);
      }
    }
    closeWriter();
    await within(registration.ended(), 'the end of the pipe');
    expect(journal.counted(BYTES)).toBe(sent);
    expect(journal.counted(LAST)).toBe(1);
  });

  it('tell a reader of a pipe that the writer is gone', async () => {
    const { pool, journal } = await openPool('descriptors');
    const { reader, closeWriter } = fifo();
    const registration = pool.add(reader, { handler: 'once', mode, cookie: 2n ** 64n - 1n });
    closeWriter();
    const [event] = await journal.until('event');
    expect(event).toMatchObject({
      fd: reader,
      readable: true,
      hangup: true,
      writable: false,
      cookie: String(2n ** 64n - 1n),
    });
    await within(registration.ended(), 'the end');
    expect(journal.all('last')).toMatchObject([{ reason: 'teardown' }]);
  });

  it('tell a writer of a pipe that the reader is gone', async () => {
    const { pool, journal } = await openPool('descriptors');
    const { writer, closeReader } = fifo();
    // Full, so that only the error can wake it.
    const chunk = Buffer.alloc(4096);
    for (;;) {
      try {
        writeSync(writer, chunk);
      } catch {
        break;
      }
    }
    const registration = pool.add(writer, { handler: 'once', mode, events: ['out'] });
    closeReader();
    const [event] = await journal.until('event');
    expect(event).toMatchObject({ fd: writer, writable: true, error: true, readable: false });
    await within(registration.ended(), 'the end');
  });

  it('see urgent data before the normal data that came before it was read', async () => {
    const { pool, journal } = await openPool('descriptors');
    const { fd, send } = await urgentPair();
    pool.add(fd, { handler: 'urgent', mode, events: ['pri'] });
    send('normal');
    send('!', true);
    const [first] = await journal.until('event');
    expect(first).toMatchObject({ priority: true, readable: false });
    await until(
      () =>
        journal
          .all('event')
          .map((event) => event['text'])
          .join('') === 'normal',
      'the data after the urgent byte',
    );
  });

  it('wait for an async handler, and are not delivered twice meanwhile', async () => {
    const { pool, journal } = await openPool('descriptors', { minThreads: 1 });
    const native = openNative();
    const fds = eventfds(50, true);
    for (const fd of fds) pool.add(fd, { handler: 'slow', mode });
    for (const fd of fds) native.signal(fd);
    await journal.untilCounted(HANDLED, fds.length);
    await pool.close();
  });
});

/** A TCP socket of this process whose peer, a Python process, sends text or urgent bytes on command. */
async function urgentPair(): Promise<{ readonly fd: number; send(text: string, urgent?: boolean): void }> {
  const listener = createServer({ pauseOnConnect: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const peer = spawn('python3', ['-u', '-c', URGENT_PEER, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [socket] = (await once(listener, 'connection')) as [Socket];
  listener.close();
  afterTest(async () => {
    peer.stdin.end();
    await once(peer, 'exit');
    socket.destroy();
  });
  const handle = Reflect.get(socket, '_handle') as { readonly fd: number };
  return {
    fd: handle.fd,
    send: (text, urgent = false) => peer.stdin.write(`${urgent ? 'u' : 'n'}${text}\n`),
  };
}

const URGENT_PEER = `
import socket, sys
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for line in sys.stdin:
    text = line.rstrip('\\n')
    peer.send(text[1:].encode(), socket.MSG_OOB if text[0] == 'u' else 0)
`;
