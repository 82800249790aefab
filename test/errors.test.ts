/** The table of errors: each row is thrown by something that can be reached, and errors look as they should. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { attach, createPool, ERROR_TABLE, type ErrorCode, type Pool, SystemError } from 'wakeone';
import { Mutex } from 'wakeone/sync';
import { defineHandlers, registration, workerId } from 'wakeone/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeError, makeErrorFrom, show } from '../src/errors.ts';
import { Epoll, EpollOp, Errno, openNative } from '../src/native/index.ts';
import { MAX_ATTACHED } from '../src/slots/layout.ts';
import { addError } from '../src/sources/add.ts';

const source = fileURLToPath(new URL('../src', import.meta.url));
const handlers = new URL('fixtures/misuse.mjs', import.meta.url);
const native = openNative();
const BASES = { Error, TypeError, RangeError };

let pool: Pool;
/** The pool's own epoll set. */
let poolSet: number;

beforeAll(async () => {
  const before = epollSets();
  const starting = createPool({ handlers, minThreads: 1, bufferMemory: 1 << 26 });
  // It is made at once, before the threads and the sets of their event loops.
  poolSet = epollSets().find((fd) => !before.includes(fd)) ?? -1;
  pool = await starting;
});

afterAll(async () => {
  await pool.destroy();
});

/** Descriptors of this process that are epoll sets. */
function epollSets(): number[] {
  const isSet = (fd: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]';
    } catch {
      return false;
    }
  };
  return readdirSync('/proc/self/fd').filter(isSet).map(Number);
}

function codeOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

/** Runs `act` with a fresh eventfd. */
function withFd<T>(act: (fd: number) => T): T {
  const fd = native.eventfd();
  try {
    return act(fd);
  } finally {
    native.close(fd);
  }
}

/** Runs `act` with Workers, which detach themselves before they post. */
async function withWorkers<T>(
  count: number,
  act: (workers: readonly Worker[], answer: () => Promise<object>) => T,
): Promise<Awaited<T>> {
  const script = `
    const { parentPort } = require('node:worker_threads');
    parentPort.once('message', async (ticket) => {
      const { attach } = await import('wakeone');
      const pool = attach(ticket);
      pool.detach();
      try { pool.post('raw', 1) } catch ({ code, message }) { parentPort.postMessage({ code, message }) }
    });`;
  const workers = Array.from({ length: count }, () => new Worker(script, { eval: true }));
  const answer = async (): Promise<object> => ((await once(workers[0] as Worker, 'message')) as [object])[0];
  try {
    return await act(workers, answer);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** What the pool's thread is told when a handler does what the client asks. */
async function misuse(what: string, event: 'handlerError' | 'workerExit'): Promise<never> {
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'connection' });
  const address = server.address() as { port: number };
  const told = once(pool, event) as Promise<[Error]>;
  const client = connect(address.port, '127.0.0.1').on('error', () => {});
  client.write(what);
  const [error] = await told;
  client.destroy();
  await server.close();
  throw error;
}

const mutex = (): Mutex => new Mutex(new SharedArrayBuffer(4));

/** One way to each error. The type says that none is missing. */
const ways: Record<ErrorCode, () => unknown> = {
  ERR_WAKEONE_INVALID_OPTION: () => createPool({ handlers, minThreads: 0 }),
  ERR_WAKEONE_INVALID_FD: () => pool.add(-1, { handler: 'raw' }),
  ERR_WAKEONE_BAD_FD: () => {
    const fd = native.duplicate(0, 900);
    native.close(fd);
    return pool.add(fd, { handler: 'raw' });
  },
  ERR_WAKEONE_FD_UNSUPPORTED: () => {
    const fd = openSync(fileURLToPath(import.meta.url), 'r');
    try {
      return pool.add(fd, { handler: 'raw' });
    } finally {
      closeSync(fd);
    }
  },
  ERR_WAKEONE_FD_IN_USE: async () => {
    const fd = native.eventfd();
    const first = pool.add(fd, { handler: 'raw', ownership: 'own' });
    try {
      return pool.add(fd, { handler: 'raw' });
    } finally {
      await first.teardown();
    }
  },
  ERR_WAKEONE_FD_RESERVED: () => pool.add(poolSet, { handler: 'raw' }),
  ERR_WAKEONE_FD_LOOP: () => {
    const outer = native.epollCreate();
    try {
      native.epollControl(outer, EpollOp.ADD, poolSet, Epoll.IN, 0, 0);
      return pool.add(outer, { handler: 'raw' });
    } finally {
      native.close(outer);
    }
  },
  // Only root could lower fs.epoll.max_user_watches, and for everybody: the kernel's answer is made up.
  ERR_WAKEONE_WATCH_LIMIT: () => {
    throw addError(5, Errno.ENOSPC);
  },
  ERR_WAKEONE_INVALID_EVENTS: () => withFd((fd) => pool.add(fd, { handler: 'raw', events: [] })),
  ERR_WAKEONE_INVALID_ARGUMENT: () => pool.close({ timeoutMs: -1 }),
  ERR_WAKEONE_INVALID_STATE: () => defineHandlers({ echo: { state: { seq: 'u33' as 'u32' }, data() {} } }),
  ERR_WAKEONE_UNKNOWN_HANDLER: () => withFd((fd) => pool.add(fd, { handler: 'nobody' })),
  ERR_WAKEONE_HANDLER_KIND: () => pool.listen({ port: 0, handler: 'raw' }),
  ERR_WAKEONE_HANDLER_MODULE: () => createPool({ handlers: '/nowhere/handlers.mjs', minThreads: 1 }),
  ERR_WAKEONE_POOL_CLOSED: async () => {
    const other = await createPool({ handlers, minThreads: 1 });
    await other.close();
    return withFd((fd) => other.add(fd, { handler: 'raw' }));
  },
  ERR_WAKEONE_AFFINITY: async () => {
    const group = pool.group();
    const sticky = pool.add(native.eventfd(), { handler: 'raw', ownership: 'own', affinity: 'sticky' });
    try {
      await group.add(sticky);
    } finally {
      await sticky.teardown();
      await group.teardown();
    }
  },
  ERR_WAKEONE_SOURCES_EXHAUSTED: async () => {
    const small = await createPool({ handlers, minThreads: 1, maxSources: 1 });
    try {
      small.userEvent({ handler: 'raw' });
      return small.userEvent({ handler: 'raw' });
    } finally {
      await small.close();
    }
  },
  ERR_WAKEONE_NAME_IN_USE: async () => {
    const first = pool.userEvent({ handler: 'raw', name: 'bell' });
    try {
      return pool.userEvent({ handler: 'raw', name: 'bell' });
    } finally {
      await first.teardown();
    }
  },
  ERR_WAKEONE_UNKNOWN_EVENT: () => misuse('event', 'handlerError'),
  ERR_WAKEONE_EVENT_FULL: async () => {
    const sum = pool.userEvent({ handler: 'raw', merge: 'add' });
    sum.disable();
    try {
      sum.post(2 ** 23 - 1);
      return sum.post(1);
    } finally {
      await sum.teardown();
    }
  },
  ERR_WAKEONE_STALE_REGISTRATION: async () => {
    const ended = pool.add(native.eventfd(), { handler: 'raw', ownership: 'own' });
    await ended.teardown();
    ended.enable();
  },
  ERR_WAKEONE_IN_GROUP: async () => {
    const [one, other] = [pool.group(), pool.group()];
    const member = pool.userEvent({ handler: 'raw', group: one });
    try {
      await other.add(member);
    } finally {
      await Promise.all([one.teardown(), other.teardown()]);
    }
  },
  ERR_WAKEONE_OTHER_POOL: async () => {
    const other = await createPool({ handlers, minThreads: 1 });
    try {
      return withFd((fd) => pool.add(fd, { handler: 'raw', group: other.group() }));
    } finally {
      await other.close();
    }
  },
  ERR_WAKEONE_NOT_OWNER: () => misuse('notOwner', 'handlerError'),
  ERR_WAKEONE_ENDED: () => misuse('ended', 'handlerError'),
  ERR_WAKEONE_OUTPUT_PENDING: () => misuse('outputPending', 'handlerError'),
  ERR_WAKEONE_MESSAGE_TOO_LONG: () => misuse('tooLong', 'handlerError'),
  ERR_WAKEONE_BAD_FRAME: () => misuse('badFrame', 'handlerError'),
  ERR_WAKEONE_NO_WORKER: () => workerId(),
  // A ticket for another thread than this one.
  ERR_WAKEONE_TICKET: () => withWorkers(1, ([worker]) => attach(pool.attach(worker as Worker))),
  ERR_WAKEONE_ATTACH_LIMIT: () =>
    withWorkers(MAX_ATTACHED + 1, (workers) => workers.map((worker) => pool.attach(worker))),
  ERR_WAKEONE_DETACHED: () =>
    withWorkers(1, async ([worker], answer) => {
      (worker as Worker).postMessage(pool.attach(worker as Worker));
      throw Object.assign(new Error(), await answer());
    }),
  ERR_WAKEONE_UNKNOWN_SHARED: () => pool.shared('nobody has made it'),
  ERR_WAKEONE_SHARED_LENGTH: () => {
    pool.shared('length', 8);
    pool.shared('length', 9);
  },
  ERR_WAKEONE_SHARED_EXHAUSTED: () => pool.shared('all', 2 ** 40),
  ERR_WAKEONE_MAIN_THREAD: () => mutex().lock(),
  ERR_WAKEONE_LOCK_HELD: () => misuse('lockHeld', 'handlerError'),
  ERR_WAKEONE_LOCK_NOT_HELD: () => mutex().unlock(),
  ERR_WAKEONE_WORKER_DIED: () => misuse('died', 'workerExit'),
  ERR_WAKEONE_ABORTED: () => createPool({ handlers, signal: AbortSignal.abort(new Error('no more')) }),
  // A machine that is none: another process believes so.
  ERR_WAKEONE_UNSUPPORTED: () => {
    const script = `
      const { createPool } = await import('wakeone');
      Object.defineProperty(process, 'platform', { value: 'plan9' });
      await createPool({ handlers: 'x' }).catch((error) => console.log(JSON.stringify([error.code, error.message])));`;
    const args = ['--input-type=module', '-e', script];
    const [code, message] = JSON.parse(
      execFileSync(process.execPath, args, { cwd: source, encoding: 'utf8' }),
    ) as [string, string];
    throw Object.assign(new Error(message), { code });
  },
};

describe('each error is thrown by something', () => {
  test.each(Object.keys(ERROR_TABLE) as ErrorCode[])('%s', async (code) => {
    const error: unknown = await (async () => ways[code]())().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(BASES[ERROR_TABLE[code].base]);
    expect(error).toMatchObject({ code });
    // No detail of the message is missing.
    expect((error as Error).message).not.toContain('undefined');
  });

  test('each code of the table is used in the sources, and no other', () => {
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && name !== 'errors.ts',
    );
    // Comments tell codes as well: only what is quoted is used.
    const used = files.flatMap((name) =>
      [...readFileSync(join(source, name), 'utf8').matchAll(/'(ERR_WAKEONE_\w+)'/g)].map((match) => match[1]),
    );
    expect(new Set(used)).toEqual(new Set(Object.keys(ERROR_TABLE)));
  });

  test('each code in a comment is in the table', () => {
    const known = Object.keys(ERROR_TABLE);
    for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const told = readFileSync(join(source, name), 'utf8').matchAll(/ERR_WAKEONE_[A-Z_]*[A-Z]/g);
      for (const [code] of told) expect(known).toContain(code);
    }
  });
});

describe('an error of the table', () => {
  test('has its code in the first line of its stack, and a cause if one was given', () => {
    const cause = new Error('why');
    const error = makeErrorFrom(cause, 'ERR_WAKEONE_INVALID_FD', '-1', '1023');
    expect(error.stack?.split('\n')[0]).toBe(`RangeError [ERR_WAKEONE_INVALID_FD]: ${error.message}`);
    expect(error.cause).toBe(cause);
    expect('cause' in makeError('ERR_WAKEONE_BAD_FD', '5')).toBe(false);
  });

  test('says what was expected and what came', () => {
    const { message } = makeError('ERR_WAKEONE_INVALID_OPTION', 'port', 'an integer', show('x'.repeat(50)));
    expect(message).toBe(`Option 'port' must be an integer; got "${'x'.repeat(40)}…"`);
  });

  test('codes are of one form, and rows are not the same', () => {
    const rows = Object.entries(ERROR_TABLE);
    for (const [code] of rows) expect(code).toMatch(/^ERR_WAKEONE_[A-Z_]+$/);
    const messages = rows.map(([, { message }]) => message('a', 'b', 'c'));
    expect(new Set(messages).size).toBe(rows.length);
  });
});

describe('a system error', () => {
  test('has code, errno, syscall and fd as Node’s have', () => {
    for (const errno of [Errno.EADDRINUSE, -Errno.EADDRINUSE]) {
      expect(new SystemError('bind', errno, 7, '127.0.0.1:80')).toMatchObject({
        name: 'SystemError',
        code: 'EADDRINUSE',
        errno: Errno.EADDRINUSE,
        syscall: 'bind',
        fd: 7,
        message: 'bind 127.0.0.1:80 (fd 7): EADDRINUSE',
      });
    }
    expect('fd' in new SystemError('listen', Errno.EINVAL)).toBe(false);
  });

  test('of an errno that Node does not know is told by its number', () => {
    expect(new SystemError('read', -4000).code).toBe('errno 4000');
  });
});

test.each([
  [undefined, 'undefined'],
  [null, 'null'],
  [-1.5, '-1.5'],
  [10n, '10'],
  ['a', '"a"'],
  [Symbol('s'), 'Symbol(s)'],
  [[1, 'a', [2], 4, 5, 6], '[1, "a", [2], 4, 5]'],
  [new Map(), 'an instance of Map'],
  [Object.create(null), 'an instance of Object'],
  [function named() {}, "a function 'named'"],
])('%s is shown as %s', (value, shown) => {
  expect(show(value)).toBe(shown);
});

test('functions for workers say so in other threads', () => {
  expect(codeOf(() => registration({ fd: 1, generation: 1 }))).toBe('ERR_WAKEONE_NO_WORKER');
});
