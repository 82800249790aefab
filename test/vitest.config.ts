import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A process per file: a crash in native code takes one file with it, and exit hooks do not mix.
    pool: 'forks',
    // Tests measure wake-ups and latencies; two files at once on two CPUs would measure each other.
    fileParallelism: false,
    testTimeout: process.env['WAKEONE_STRESS'] === undefined ? 30_000 : 4 * 3_600_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    retry: 0,
  },
});
