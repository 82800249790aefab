/**
 * The start of a pool: handlers and hooks, modules that cannot be used, aborting, options. Of the issue: a handler module
 * that fails to load, has a wrong default export or rejects in init; createPool with an AbortSignal. Scenario 95 (in part).
 */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createPool, type PoolOptions } from 'wakeone';
import { until, within } from '../servers/deadline.ts';
import { Journal } from '../servers/journal.ts';
import { guardPools } from '../servers/pools.ts';

guardPools();

const moduleOf = (name: string): URL => new URL(`handlers/${name}.mjs`, import.meta.url);
const threads = (): number => readdirSync('/proc/self/task').length;

async function expectFailure(options: PoolOptions, code: string, why: RegExp): Promise<void> {
  const before = threads();
  await expect(within(createPool(options), 'the failure')).rejects.toMatchObject({
    code,
    message: expect.stringMatching(why) as string,
  });
  await until(() => threads() <= before, 'the end of all threads that were started');
}

it.each([1, 2, 4])(
  'a pool of %i threads runs init once in each before it is ready, and dispose once',
  async (minThreads) => {
    const journal = new Journal();
    const pool = await createPool({
      handlers: moduleOf('good'),
      minThreads,
      workerData: { journal: journal.memory, said: { deep: [1, 2n === 2n] } },
    });
    const inits = journal.all('init');
    expect(new Set(inits.map((entry) => entry.worker)).size).toBe(minThreads);
    expect(inits.map((entry) => entry['said'])).toEqual(inits.map(() => ({ deep: [1, true] })));
    expect(pool.open).toBe(true);
    expect(pool.stats().workers.length).toBe(minThreads);
    await pool.close();
    expect(pool.open).toBe(false);
    expect(new Set(journal.all('dispose').map((entry) => entry.worker)).size).toBe(minThreads);
  },
);

it('a pool takes its handler module as a path too', async () => {
  const journal = new Journal();
  const pool = await createPool({
    handlers: moduleOf('good').pathname,
    minThreads: 1,
    workerData: { journal: journal.memory },
  });
  await pool.close();
});

it.each([
  ['throws', /thrown while it was loaded/],
  ['plain', /default export must be what defineHandlers\(\) returned/],
  ['empty', /default export must be what defineHandlers\(\) returned/],
  ['broken', /echo\.dta/],
  ['bad-state', /State 'echo\.state\.seq' must be one of u8, /],
  ['missing', /missing\.mjs/],
  ['init-rejects', /init gave up/],
])(
  'createPool() rejects when the handler module "%s" cannot be used, says why, and leaves nothing',
  async (name, why) => {
    // Several times: the worker's word and the end of its task race.
    for (let i = 0; i < 4; i++) {
      await expectFailure(
        { handlers: moduleOf(name), minThreads: 1 + (i % 3) },
        'ERR_WAKEONE_HANDLER_MODULE',
        why,
      );
    }
  },
);

it('createPool() rejects with what was wrong with a state as the cause', async () => {
  await expect(createPool({ handlers: moduleOf('bad-state'), minThreads: 2 })).rejects.toMatchObject({
    code: 'ERR_WAKEONE_HANDLER_MODULE',
    cause: { code: 'ERR_WAKEONE_INVALID_STATE' },
  });
});

it('createPool() rejects when its workers do not declare the same state', async () => {
  await expectFailure(
    { handlers: moduleOf('other-states'), minThreads: 2 },
    'ERR_WAKEONE_HANDLER_MODULE',
    /it declares another state than the workers/,
  );
});

it('createPool() rejects when init rejects in one of four workers', async () => {
  await expectFailure(
    { handlers: moduleOf('init-rejects'), minThreads: 4, workerData: { only: 2 } },
    'ERR_WAKEONE_HANDLER_MODULE',
    /init gave up/,
  );
});

it('createPool() rejects with a signal that is aborted already, or while it starts', async () => {
  await expectFailure(
    { handlers: moduleOf('good'), signal: AbortSignal.abort(new Error('no need')) },
    'ERR_WAKEONE_ABORTED',
    /createPool\(\)/,
  );
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const before = threads();
  const pool = createPool({ handlers: moduleOf('init-waits'), minThreads: 2, signal: controller.signal });
  await until(() => threads() >= before + 2, 'the threads');
  controller.abort(reason);
  await expect(within(pool, 'the end')).rejects.toMatchObject({ code: 'ERR_WAKEONE_ABORTED', cause: reason });
  await until(() => threads() <= before, 'the end of all threads');
});

it('a signal that is aborted later does not concern the pool', async () => {
  const controller = new AbortController();
  const journal = new Journal();
  const pool = await createPool({
    handlers: moduleOf('good'),
    minThreads: 1,
    signal: controller.signal,
    workerData: { journal: journal.memory },
  });
  controller.abort();
  expect(pool.open).toBe(true);
  await pool.close();
});

it.each([
  [{ minThreads: 0 }],
  [{ minThreads: 33 }],
  [{ minThreads: 4, maxThreads: 2 }],
  [{ maxThreads: 1.5 }],
  [{ minThreads: 2, concurrency: 3 }],
  [{ concurrency: 0 }],
  [{ maxFds: 7 }],
  [{ ringSize: 3 }],
  [{ ringSize: 1 }],
  [{ highWaterMark: 0 }],
  [{ maxInput: Number.NaN }],
  [{ maxOutput: -1 }],
  [{ bufferMemory: 1 }],
  [{ graceMs: '1' }],
  [{ resourceLimits: 64 }],
  [{ resourceLimits: { heap: 64 } }],
  [{ resourceLimits: { maxOldGenerationSizeMb: -1 } }],
  [{ handlers: 42 }],
  [{ handlers: '' }],
])('createPool() rejects the options %j', async (options) => {
  await expect(createPool({ handlers: moduleOf('good'), ...options } as never)).rejects.toMatchObject({
    code: 'ERR_WAKEONE_INVALID_OPTION',
    name: 'TypeError',
  });
});
