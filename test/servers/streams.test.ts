/**
 * Streams of bytes through connections: echo, unread rests, backpressure, bounds.
 * Scenarios 15 (sums), 64, and of the issue: `input`, `read`, `consume`, `drain`, `maxInput`, `maxOutput`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { openClient, openClients, portOf } from './client.ts';
import { until, within } from './deadline.ts';
import { guardPools, listen, openPool } from './pools.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BYTES = 4;
const STOP_AT = 6;
const STOPPED = 7;
const GATE = 8;
const MODES = ['edge', 'oneshot'] as const;

guardPools();

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function frame(payload: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

describe.each(MODES)('a connection in mode %s', (mode) => {
  it('echoes what nc sends and ends after it', async () => {
    const { pool } = await openPool('streams');
    const server = await listen(pool, 'echo', { mode });
    const nc = spawn('nc', ['-N', '127.0.0.1', String(portOf(server))]);
    const output: Buffer[] = [];
    nc.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    nc.stdin.end('hello from nc\n');
    const [code] = (await within(once(nc, 'close'), 'the end of nc')) as [number];
    expect(Buffer.concat(output).toString()).toBe('hello from nc\n');
    expect(code).toBe(0);
  });

  it('echoes a megabyte for each of ten clients with equal checksums', async () => {
    const { pool } = await openPool('streams');
    const server = await listen(pool, 'echo', { mode });
    const clients = await openClients(server, 10);
    await Promise.all(
      clients.map(async (client) => {
        const sent = randomBytes(MIB);
        client.write(sent);
        expect(sha(await client.read(sent.length))).toBe(sha(sent));
      }),
    );
  });

  it('keeps the unread rest of a message until the message is whole, byte by byte', async () => {
    const { pool, journal } = await openPool('streams');
    const server = await listen(pool, 'frames', { mode });
    const client = await openClient(server);
    const payload = Buffer.from('a frame in pieces');
    for (const byte of frame(payload)) {
      const parts = journal.all('part').length;
      client.write(Buffer.of(byte));
      await journal.until('part', parts + 1);
    }
    expect((await client.line()).split(' ')[1]).toBe(sha(payload));
  });

  it('finds the unread rest again in another worker', async () => {
    const { pool, journal } = await openPool('streams');
    const server = await listen(pool, 'frames', { mode });
    const clients = await openClients(server, 4);
    const workers = new Set<string>();
    // Until both workers have ended a message, the pieces of all clients interleave.
    for (let round = 0; round < 2000 && workers.size < 2; round++) {
      const payloads = clients.map(() => randomBytes(1 + (round % 3000)));
      const frames = payloads.map(frame);
      const parts = journal.all('part').length;
      clients.forEach((client, i) => client.write(frames[i]?.subarray(0, 3) ?? ''));
      if (round === 0) await journal.until('part', parts + clients.length);
      clients.forEach((client, i) => client.write(frames[i]?.subarray(3) ?? ''));
      const lines = await Promise.all(clients.map((client) => client.line()));
      lines.forEach((line, i) => {
        const [worker = '', sum] = line.split(' ');
        workers.add(worker);
        expect(sum).toBe(sha(payloads[i] ?? Buffer.alloc(0)));
      });
    }
    expect(pool.stats().workers.length).toBe(2);
  });

  it('reads on behind an urgent byte that lies deep in what has arrived', async () => {
    const { pool, journal } = await openPool('streams', { minThreads: 1 });
    const server = await listen(pool, 'stops', { mode });
    // The kernel grows its buffer while a stream is taken fast; on a busy machine it may not have by now, and takes no more
    // than a part while the worker stands still. That is no case of this test: the next connection may have more luck.
    const says: string[] = [];
    while (!says.includes('arrived') && says.length < 5) {
      const from = journal.counted(BYTES);
      journal.set(STOP_AT, from + 16 * MIB);
      const stops = journal.counted(STOPPED);
      const peer = spawn('python3', ['-u', '-c', URGENT_PEER, String(portOf(server))]);
      const ended = once(peer, 'close');
      await journal.untilCounted(STOPPED, stops + 1);
      peer.stdin.write('go\n');
      const [said] = (await within(once(peer.stdout, 'data'), 'the rest of the data')) as [Buffer];
      says.push(said.toString().trim());
      journal.set(GATE, 1);
      await journal.untilCounted(BYTES, from + 16 * MIB + 512 * KIB);
      journal.set(GATE, 0);
      peer.stdin.end();
      await within(ended, 'the end of the peer');
      expect(journal.counted(BYTES)).toBe(from + 16 * MIB + 512 * KIB);
    }
    expect(says).toContain('arrived');
  });

  it('keeps order when many messages come in one packet and in many', async () => {
    const { pool } = await openPool('streams');
    const server = await listen(pool, 'frames', { mode });
    const client = await openClient(server);
    const payloads = Array.from({ length: 200 }, (_, i) => randomBytes(i * 37));
    const all = Buffer.concat(payloads.map(frame));
    for (let at = 0; at < all.length; at += 1013) client.write(all.subarray(at, at + 1013));
    for (const payload of payloads) expect((await client.line()).split(' ')[1]).toBe(sha(payload));
  });

  it('hands out the input in the sizes that read() asks for', async () => {
    const { pool } = await openPool('streams');
    const server = await listen(pool, 'sevens', { mode });
    const client = await openClient(server);
    client.write('0123456789abcdefghij');
    expect((await client.read(16)).toString()).toBe('0123456|789abcd|');
    client.socket.end('klmno');
    expect((await client.rest()).toString()).toBe('efghijk|lmno.');
  });

  it('stops reading above the high-water mark, and goes on after drain', async () => {
    const { pool, journal } = await openPool('streams');
    const server = await listen(pool, 'watched', { mode });
    const client = await openClient(server);
    const sent = randomBytes(16 * MIB);
    client.socket.pause();
    client.write(sent);
    // Nothing moves any more: the client's kernel, the server's kernel and the server are full.
    let before = -1;
    let handled = 0;
    const total = (): number => pool.stats().workers.reduce((sum, worker) => sum + worker.handled, 0);
    let still = 0;
    await until(() => {
      handled = total();
      still = handled === before && client.socket.writableLength > 0 ? still + 1 : 0;
      before = handled;
      return still > 100;
    }, 'a full pipe');
    // What it holds is bounded by the mark and one read.
    const unsent = journal.all('unsent').map((entry) => entry['bytes'] as number);
    expect(Math.max(...unsent)).toBeGreaterThan(0);
    expect(Math.max(...unsent)).toBeLessThan(64 * KIB + 64 * KIB);
    client.socket.resume();
    expect(sha(await client.read(sent.length))).toBe(sha(sent));
    expect(journal.counted(2)).toBeGreaterThan(0);
    expect(journal.all('wrong')).toEqual([]);
  });

  it('closes a connection that leaves more unread than maxInput, and says why', async () => {
    const { pool, journal } = await openPool('streams', { maxInput: 100 * KIB });
    const server = await listen(pool, 'hoard', { mode });
    const client = await openClient(server);
    client.write(randomBytes(99 * KIB));
    await until(
      () => journal.all('unread').some((entry) => entry['bytes'] === 99 * KIB),
      'all of what is allowed',
    );
    expect(journal.all('close')).toEqual([]);
    client.write(randomBytes(2 * KIB));
    const [close] = await journal.until('close');
    expect(close?.['type']).toBe('input-overflow');
    await client.over();
  });

  it('closes a connection that has more unsent than maxOutput, and says why', async () => {
    const { pool, journal } = await openPool('scripted', { maxOutput: 8 * MIB });
    const server = await listen(pool, 'scripted', { mode });
    const client = await openClient(server);
    client.socket.pause();
    client.write(`${JSON.stringify({ do: 'overfill', bytes: 32 * MIB })}\n`);
    const [close] = await journal.until('close');
    expect(close?.['type']).toBe('output-overflow');
  });

  it('returns false from write, keeps the rest, and calls drain once all is sent', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const client = await openClient(server);
    client.socket.pause();
    client.write('{"do":"fill"}\n');
    const [filled] = await journal.until('filled');
    const bytes = filled?.['bytes'] as number;
    expect(filled?.['left']).toBeGreaterThanOrEqual(64 * KIB);
    expect(journal.all('drain')).toEqual([]);
    // Above the mark no input is read: this waits until the output is gone.
    client.write('{"do":"who"}\n');
    client.socket.resume();
    const all = await client.read(bytes);
    expect(all.every((byte) => byte === 0x78)).toBe(true);
    const [drain] = await journal.until('drain');
    expect(drain?.['left']).toBe(0);
    expect(JSON.parse(await client.line())).toMatchObject({ fd: drain?.fd });
    const order = journal.entries.filter((entry) => entry.on === 'drain' || entry.on === 'data');
    expect(order.map((entry) => entry.on)).toEqual(['data', 'drain', 'data']);
  });
});

/** Sends 16 MiB, then, when told to, 512 KiB with an urgent byte in its second half; says when all has arrived. */
const URGENT_PEER = `
import fcntl, socket, struct, sys, termios, time
peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
peer.sendall(b'x' * (16 << 20))
sys.stdin.readline()
peer.sendall(b'y' * (420 << 10))
peer.send(b'!', socket.MSG_OOB)
peer.sendall(b'z' * (92 << 10))
deadline = time.monotonic() + 2
while time.monotonic() < deadline:
    if struct.unpack('i', fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0] == 0: break
print('arrived' if time.monotonic() < deadline else 'stuck')
sys.stdin.read()
`;
