import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startChild } from './process.ts';
import type { Server } from './server.ts';

const attachTimeoutMs = 10_000;

/** Runs `use` while strace logs the calls of all threads of the server's processes, then gives the log to `read`. */
export async function withStrace<Used, Result>(
  server: Server,
  use: () => Promise<Used>,
  read: (logPath: string, used: Used) => Result,
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'wakeone-bench-'));
  const logPath = join(folder, 'strace.log');
  try {
    // -s 0: no bytes of buffers. Attached, not its parent: the server starts at full speed and is ended as ever.
    const args = [
      '-f',
      '-ttt',
      '-s',
      '0',
      '-o',
      logPath,
      ...server.pids.flatMap((pid) => ['-p', String(pid)]),
    ];
    const strace = await startChild({ name: 'strace', file: 'strace', args });
    let used: Used;
    try {
      await strace.waitFor('attachment', attachTimeoutMs, (child) =>
        server.pids.every((pid) => child.errorOutput.includes(`Process ${pid} attached`)) ? true : undefined,
      );
      used = await use();
    } finally {
      await strace.end('SIGINT'); // it detaches and writes what it holds
    }
    return read(logPath, used);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
