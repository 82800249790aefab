/** Commands on the server: its settings, what it does, and for tests what harms it. */
import { threadId } from 'node:worker_threads';
import { blocking, registration, stats } from '../../src/worker.ts';
import { MOST_CLIENTS } from './clients.ts';
import {
  type Call,
  type Command,
  replyUnknownSubcommand,
  replyWrongCount,
  shownOf,
  textOf,
  wordOf,
} from './command.ts';
import { MAX_BULK_BYTES } from './parser.ts';

/** What clients that ask for it may rely on: the commands there are behave as those of this version of Redis. */
const REDIS_VERSION = '7.0.0';
const MOST_SECONDS = 2 ** 20;
const MS_PER_SECOND = 1000;

export const serverCommands = (commands: () => readonly Command[]): readonly Command[] => [
  { name: 'config', arity: -2, flags: ['admin'], keys: [0, 0, 0], run: config },
  { name: 'info', arity: -1, flags: [], keys: [0, 0, 0], run: info },
  { name: 'command', arity: -1, flags: [], keys: [0, 0, 0], run: (call) => describe(call, commands()) },
  { name: 'debug', arity: -2, flags: ['admin'], keys: [0, 0, 0], run: debug },
];

/** The settings that there are, and those that clients ask for. */
const settings: Readonly<Record<string, (call: Call) => string>> = {
  appendonly: () => 'no',
  databases: () => '1',
  maxclients: ({ clients }) => String(clients.maxClients),
  maxmemory: ({ store }) => String(store.stats().totalBytes),
  'maxmemory-policy': () => 'allkeys-lru',
  'proto-max-bulk-len': () => String(MAX_BULK_BYTES),
  save: () => '',
  timeout: ({ clients }) => String(clients.timeoutSeconds),
};

function config(call: Call): void {
  const subcommand = wordOf(call, 1);
  if (subcommand === 'get' && call.count > 2) getSettings(call);
  else if (subcommand === 'set' && call.count > 3 && call.count % 2 === 0) setSettings(call);
  else if (subcommand === 'set' && call.count > 3) call.reply.error('ERR syntax error');
  else if (subcommand === 'get' || subcommand === 'set') replyWrongCount(call.reply, `config|${subcommand}`);
  else replyUnknownSubcommand(call);
}

function getSettings(call: Call): void {
  // A name that is no pattern comes back as it was written.
  const found = new Map<string, string>();
  for (let at = 2; at < call.count; at++) {
    const [word, text] = [wordOf(call, at), textOf(call, at)];
    const pattern = patternOf(word);
    for (const name of Object.keys(settings))
      if (pattern.test(name) && !found.has(name)) found.set(name, name === word ? text : name);
  }
  call.reply.array(2 * found.size);
  for (const [name, shown] of found) {
    call.reply.text(shown);
    call.reply.text(settings[name]?.(call) ?? '');
  }
}

/** `*` and `?` stand for characters. */
function patternOf(glob: string): RegExp {
  // One star after another means the same, and would take for ever to find out.
  const plain = glob.replaceAll(/\*+/g, '*').replaceAll(/[\\^$.|+()[\]{}]/g, String.raw`\$&`);
  return new RegExp(`^${plain.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

/** Those that can be changed: within which bounds, and how. */
const changeable: Readonly<
  Record<string, { least: number; most: number; set: (call: Call, value: number) => void }>
> = {
  maxclients: { least: 1, most: MOST_CLIENTS, set: ({ clients }, value) => (clients.maxClients = value) },
  timeout: { least: 0, most: MOST_SECONDS, set: setTimeoutOfAll },
};

/** All of them, or none. */
function setSettings(call: Call): void {
  const { reply } = call;
  const changes: (() => void)[] = [];
  for (let at = 2; at < call.count; at += 2) {
    const [name, text] = [wordOf(call, at), textOf(call, at + 1)];
    const failed = `ERR CONFIG SET failed (possibly related to argument '${name}') -`;
    const setting = Object.hasOwn(changeable, name) ? changeable[name] : undefined;
    if (setting === undefined) {
      reply.error(
        Object.hasOwn(settings, name)
          ? `${failed} can't set immutable config`
          : `ERR Unknown option or number of arguments for CONFIG SET - '${shownOf(call, at)}'`,
      );
      return;
    }
    const { least, most, set } = setting;
    if (!/^-?\d{1,15}$/.test(text)) {
      reply.error(`${failed} argument couldn't be parsed into an integer`);
      return;
    }
    const value = Number(text);
    if (value < least || value > most) {
      reply.error(`${failed} argument must be between ${least} and ${most} inclusive`);
      return;
    }
    changes.push(() => set(call, value));
  }
  for (const change of changes) change();
  reply.ok();
}

/** Each connection sets its own timeout, in its own turn. */
function setTimeoutOfAll({ clients }: Call, seconds: number): void {
  clients.timeoutSeconds = seconds;
  for (const { fd, generation } of clients.list()) {
    try {
      registration({ fd, generation }).trigger(1);
    } catch {
      // It has ended since.
    }
  }
}

function info(call: Call): void {
  const { clients, store, reply } = call;
  const { entries, usedBytes, totalBytes, evicted, expired } = store.stats();
  const { workers, ...pool } = stats();
  const sections: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
    Server: {
      redis_version: REDIS_VERSION,
      redis_mode: 'standalone',
      server_name: 'wakeone',
      process_id: process.pid,
      uptime_in_seconds: clients.uptimeSeconds,
      node_version: process.version,
    },
    Clients: { connected_clients: clients.count, maxclients: clients.maxClients },
    Memory: { used_memory: usedBytes, maxmemory: totalBytes, maxmemory_policy: 'allkeys-lru' },
    Persistence: { loading: 0 },
    Stats: {
      total_connections_received: clients.received,
      total_commands_processed: clients.commands,
      expired_keys: expired,
      evicted_keys: evicted,
    },
    Replication: { role: 'master', connected_slaves: 0 },
    Keyspace: entries === 0 ? {} : { db0: `keys=${entries},expires=${store.expiring},avg_ttl=0` },
    wakeone: {
      ...pool,
      ...Object.fromEntries(
        workers.map(({ id, ...worker }) => [
          `worker${id}`,
          Object.entries(worker)
            .map((field) => field.join('='))
            .join(','),
        ]),
      ),
    },
  };
  const asked = Array.from({ length: call.count - 1 }, (_, i) => wordOf(call, i + 1));
  const all = asked.length === 0 || asked.some((name) => ['all', 'default', 'everything'].includes(name));
  const parts = Object.entries(sections)
    .filter(([title]) => all || asked.includes(title.toLowerCase()))
    .map(
      ([title, fields]) =>
        `# ${title}\r\n${Object.entries(fields)
          .map(([name, value]) => `${name}:${value}\r\n`)
          .join('')}`,
    );
  reply.text(parts.join('\r\n'));
}

function describe(call: Call, commands: readonly Command[]): void {
  const { reply } = call;
  const subcommand = wordOf(call, 1);
  if (call.count === 1) {
    reply.array(commands.length);
    for (const command of commands) describeOne(call, command);
  } else if (subcommand === 'count' && call.count === 2) {
    reply.integer(commands.length);
  } else if (subcommand === 'docs') {
    // redis-cli asks for them to give hints; it does without.
    reply.array(0);
  } else if (subcommand === 'info') {
    const names = Array.from({ length: call.count - 2 }, (_, i) => wordOf(call, i + 2));
    const asked =
      names.length === 0 ? commands : names.map((name) => commands.find((one) => one.name === name));
    reply.array(asked.length);
    for (const command of asked) describeOne(call, command);
  } else {
    replyUnknownSubcommand(call);
  }
}

function describeOne({ reply }: Call, command: Command | undefined): void {
  if (command === undefined) {
    reply.nil();
    return;
  }
  reply.array(6);
  reply.text(command.name);
  reply.integer(command.arity);
  reply.array(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  for (const number of command.keys) reply.integer(number);
}

/** What only a test should ask for. The reply is what the client gets if the worker lives on. */
const harms: Readonly<Record<string, (call: Call) => void>> = {
  'crash throw': () => {
    throw new Error('DEBUG CRASH throw');
  },
  'crash exit': () => process.exit(1),
  'crash oom': () => {
    for (const hoard: number[][] = []; ;) hoard.push(Array.from({ length: 100_000 }, Math.random));
  },
  'crash terminate': (call) => {
    askMain(call, threadId);
    // In the middle of its work.
    for (;;);
  },
  'process-exit': (call) => askMain(call, 0),
  'crash reject': ({ reply }) => {
    void Promise.reject(new Error('DEBUG CRASH reject'));
    reply.ok();
  },
};

function debug(call: Call): void {
  const { reply } = call;
  const subcommand = wordOf(call, 1);
  if (subcommand === 'sleep' && call.count === 3) {
    const seconds = Number(textOf(call, 2));
    if (!(seconds >= 0 && seconds <= MOST_SECONDS)) {
      reply.error('ERR value is not a valid float');
      return;
    }
    sleep(seconds * MS_PER_SECOND);
    reply.ok();
    return;
  }
  if (!call.unsafe && ['crash', 'spin', 'process-exit'].includes(subcommand)) {
    reply.error(
      `ERR DEBUG ${subcommand.toUpperCase()} is for tests: start the server with --unsafe-commands`,
    );
    return;
  }
  if (subcommand === 'spin' && call.count === 3) {
    const end = performance.now() + Number(textOf(call, 2));
    while (performance.now() < end);
    reply.ok();
    return;
  }
  const harm =
    subcommand === 'process-exit' ? harms['process-exit'] : harms[`${subcommand} ${wordOf(call, 2)}`];
  if (harm === undefined) replyUnknownSubcommand(call);
  else harm(call);
}

/** Tells the app's thread: see setup.ts. */
function askMain({ clients }: Call, victim: number): void {
  clients.victim = victim;
  process.kill(process.pid, 'SIGUSR2');
}

/** Blocks this worker, and says so: another one is let in meanwhile. */
function sleep(ms: number): void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  blocking(() => Atomics.wait(word, 0, 0, ms));
}
