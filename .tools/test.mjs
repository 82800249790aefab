// Runs vitest with the arguments that came after `npm test --`, then prints one line alone:
// `N passed, N failed` or `N passed, N failed, N skipped`. Exits as vitest did, and with 1 when no test ran.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wakeone-test-'));
const reportPath = join(folder, 'report.json');

const child = spawn(
  process.execPath,
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--config',
    join(root, 'test', 'vitest.config.ts'),
    '--root',
    root,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportPath}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);

// A terminal signals the whole group, a supervisor only us: pass it on and let the child decide.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));

child.on('error', (error) => {
  process.stderr.write(`wakeone: cannot start vitest: ${error.message}\n`);
});

child.on('close', (status) => {
  const exitCode = status ?? 1;
  let report;
  try {
    report = JSON.parse(readFileSync(reportPath, 'utf8'));
  } catch {
    process.stderr.write('wakeone: vitest left no report\n');
  }
  rmSync(folder, { recursive: true, force: true });

  const passed = report?.numPassedTests ?? 0;
  const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  // A file that could not be loaded holds no failed test, yet it has failed.
  const brokenFiles = (report?.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  let failed = (report?.numFailedTests ?? 0) + brokenFiles;
  const nothingRan = passed + failed === 0;
  if (exitCode !== 0 && failed === 0 && passed > 0) {
    process.stderr.write(
      `wakeone: vitest ended with ${exitCode} outside of a test; counted as one failure\n`,
    );
    failed = 1;
  }
  if (nothingRan) process.stderr.write('wakeone: no test ran\n');

  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exitCode = exitCode === 0 && (nothingRan || failed > 0) ? 1 : exitCode;
});
