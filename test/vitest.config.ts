import { availableParallelism } from 'node:os';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const STRESSES = process.env['WAKEONE_STRESS'] !== undefined;

const shared = {
  // A process per file: a crash in native code takes one file with it, and exit hooks do not mix.
  pool: 'forks',
  testTimeout: STRESSES ? 4 * 3_600_000 : 30_000,
  hookTimeout: 30_000,
  teardownTimeout: 10_000,
  retry: 0,
} as const;

/** What only computes: schedules that are walked through, transitions, fakes. */
const PURE = ['explorer', 'slots', 'reactor', 'sources', 'sync'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

const pure: TestProjectInlineConfiguration = {
  test: {
    ...shared,
    name: 'pure',
    // Nothing waits for anything here: what takes longer is a machine that does other things too.
    testTimeout: Math.max(shared.testTimeout, 120_000),
    include: PURE,
    maxWorkers: availableParallelism(),
    sequence: { groupOrder: 0 },
  },
};

const live: TestProjectInlineConfiguration = {
  test: {
    ...shared,
    name: 'live',
    include: ['test/**/*.test.ts'],
    exclude: PURE,
    // They measure wake-ups and latencies; two files at once on two CPUs would measure each other.
    fileParallelism: false,
    sequence: { groupOrder: 1 },
  },
};

export default defineConfig({ test: { projects: [pure, live] } });
