/** The cache answers as Redis does, byte for byte: the same commands go to both. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Client, closeClients, openClient } from '../servers/client.ts';
import { until } from '../servers/deadline.ts';
import { encode, openCache } from './cache.ts';

let redis: ChildProcess;
let folder: string;
let path: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wakeone-redis-'));
  path = join(folder, 'redis.sock');
  redis = spawn('redis-server', ['--port', '0', '--unixsocket', path, '--save', '', '--dir', folder], {
    stdio: 'ignore',
  });
  let answers = false;
  const ask = (): void => {
    const socket = connect(path, () => {
      answers = true;
      socket.destroy();
    }).on('error', () => void after(10).then(ask));
  };
  ask();
  await until(() => answers, 'redis-server');
});

afterAll(async () => {
  const ended = new Promise((resolve) => redis.once('close', resolve));
  redis.kill();
  await ended;
  rmSync(folder, { recursive: true });
});

afterEach(closeClients);

/** One reply, of what is at the beginning of `bytes`; its length, 0 if it is not whole. */
function replyLength(bytes: Buffer, start = 0): number {
  const line = bytes.indexOf('\r\n', start);
  if (line < 0) return 0;
  const head = line + 2 - start;
  const count = Number(bytes.toString('latin1', start + 1, line));
  const type = bytes[start];
  if (type === 36) return count < 0 ? head : bytes.length >= line + 4 + count ? head + count + 2 : 0;
  if (type !== 42) return head;
  let length = head;
  for (let i = 0; i < count; i++) {
    const next = replyLength(bytes, start + length);
    if (next === 0) return 0;
    length += next;
  }
  return length;
}

class Asker {
  readonly #client: Client;
  #got: Buffer = Buffer.alloc(0);

  constructor(client: Client) {
    this.#client = client;
  }

  async ask(command: Buffer): Promise<string> {
    this.#client.write(command);
    while (replyLength(this.#got) === 0) {
      const more = await this.#client.read(Math.max(1, this.#client.received));
      this.#got = Buffer.concat([this.#got, more]);
    }
    const length = replyLength(this.#got);
    const reply = this.#got.toString('latin1', 0, length);
    this.#got = this.#got.subarray(length);
    return reply;
  }
}

async function both(): Promise<{ readonly ours: Asker; readonly theirs: Asker }> {
  const { port } = await openCache('--threads', '2');
  const socket = connect({ path, allowHalfOpen: true });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const theirs = new Asker(new Client(socket));
  await theirs.ask(encode('FLUSHALL'));
  return { ours: new Asker(await openClient(port)), theirs };
}

const commands: readonly string[] = `
PING|PING hello|PING a b|ECHO hello|ECHO|ECHO a b
GET a|SET a 1|GET a|get a|SET a|SET|GET|SET a 2 NX|GET a|SET b 2 XX|GET b|SET b 2 NX|SET b 3 XX|GET b
SET a 1 EX 0|SET a 1 EX -5|SET a 1 PX abc|SET a 1 EX|SET a 1 EX 10 PX 5|SET a 1 NX XX|SET a 1 XX NX|SET a 1 BAR|SET a 1 PX x NX XX|SET a 1 EX 5 EX 10 XX XX|TTL a
SET a 1 EX 99999999999999999|SET a 1 EX 9223372036854775808|SET c 3 EX 100|TTL c|SET c 4|TTL c|SET c 4 PX 100000 NX|TTL c
SET c 4 px 100400 xx|TTL c|SET c 4 PX 100600|TTL c
TTL nothing|TTL|TTL a b|EXPIRE a 100|TTL a|EXPIRE nothing 100|EXPIRE a x|EXPIRE a|EXPIRE a 1.5|EXPIRE a -1|GET a|EXISTS a
EXPIRE b 99999999999999999|SET b 1|EXPIRE b 0|GET b
DEL a b c nothing|DEL|EXISTS a|SET a 1|SET b 1|EXISTS a b a nothing|DEL a a b|EXISTS
INCR n|INCR n|DECR n|INCRBY n 40|INCRBY n -50|GET n|INCRBY n x|INCRBY n 1.5|INCRBY n|INCR|DECR n m
SET n 9223372036854775806|INCR n|INCR n|GET n|INCRBY n -9223372036854775807|INCRBY n -9223372036854775808|GET n
INCRBY n 9223372036854775808|SET n -9223372036854775808|DECR n|SET n abc|INCR n|SET n " 1"|INCR n|SET n 01|INCR n|SET n -0|INCR n
SET n ""|INCR n|SET n 1|INCRBY n 01|INCRBY n +1|INCRBY n -0
APPEND t abc|APPEND t def|GET t|APPEND t ""|APPEND|APPEND t|SET n 10|APPEND n 5|INCR n
MSET x 1 y 2|MGET x y z x|MSET x|MSET x 1 y|MSET|MGET|MSET x 3 x 4|GET x|DEL x y
DBSIZE|DBSIZE a|FLUSHALL x|FLUSHALL ASYNC SYNC|FLUSHALL|DBSIZE|FLUSHALL ASYNC|FLUSHALL sync
SELECT 0|SELECT x|SELECT|SELECT 1.5|CLIENT GETNAME|CLIENT SETNAME one|CLIENT GETNAME|CLIENT SETNAME ""|CLIENT GETNAME|CLIENT SETNAME "a b"
CLIENT|CLIENT NOTHING|CLIENT ID x|CLIENT SETNAME|CLIENT GETNAME x|CLIENT KILL|CLIENT KILL 1.2.3.4:5|CLIENT KILL ID 99999|CLIENT KILL ID x|CLIENT KILL ID 0|CLIENT KILL NOTHING 1
CLIENT KILL SKIPME perhaps|CLIENT KILL ID|CLIENT KILL ADDR 1.2.3.4:5 ID 1
CONFIG|CONFIG NOTHING|CONFIG GET|CONFIG GET nothing|CONFIG GET timeout|CONFIG SET timeout|CONFIG SET timeout 300|CONFIG GET TIMEOUT|CONFIG SET timeout x|CONFIG SET timeout 0
CONFIG SET nothing 1|CONFIG SET constructor 1|CONFIG SET timeout 1 timeout|CONFIG GET time*t|CONFIG GET t?meout nothing
COMMAND INFO nothing|COMMAND NOTHING|NOTHING|nothing a b|NOTHING with 'quotes' in it
`
  .trim()
  .split(/[|\n]/);

/** The words of a line; "…" is one. */
const wordsOf = (line: string): string[] =>
  (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''));

test('commands, their replies and their errors', async () => {
  const { ours, theirs } = await both();
  for (const line of commands) {
    const command = encode(...wordsOf(line));
    expect([line, await ours.ask(command)]).toEqual([line, await theirs.ask(command)]);
  }
});

test('bytes that are no text', async () => {
  const { ours, theirs } = await both();
  const bytes = Buffer.from([0xff, 0x41, 0, 0x42]);
  for (const command of [
    encode(bytes, 'x', bytes, 'y'),
    encode('CLIENT', bytes),
    encode('CONFIG', 'SET', bytes, '1'),
    encode('SET', bytes, bytes),
    encode('GET', bytes),
  ])
    expect(await ours.ask(command)).toBe(await theirs.ask(command));
});

test('commands as people type them', async () => {
  const { ours, theirs } = await both();
  for (const line of [
    'set a 1',
    'GET a',
    '  get   a  ',
    String.raw`set a "\x41 \"b\" \n"`,
    'get a',
    String.raw`set a 'it\'s \n'`,
    'get a',
    'set "a" ""',
    'get a',
  ]) {
    const command = Buffer.from(`${line}\r\n`);
    expect([line, await ours.ask(command)]).toEqual([line, await theirs.ask(command)]);
  }
});

test.each(['*x\r\n', '*1\r\n+OK\r\n', '*1\r\n$x\r\n', '*1\r\n$-1\r\n', 'set "a\r\n', 'x'.repeat(70_000)])(
  'what is no command ends the connection with the same words: %.20s',
  async (text) => {
    const { port } = await openCache('--threads', '1');
    const client = await openClient(port);
    const socket = connect({ path, allowHalfOpen: true });
    const theirs = new Client(socket);
    client.write(text);
    theirs.write(text);
    expect((await client.rest()).toString()).toBe((await theirs.rest()).toString());
  },
);
