/** The load generator of the benchmarks as a client that checks every byte: bench/native/load.c. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';
import { within } from './deadline.ts';

const SOURCE = fileURLToPath(new URL('../../bench/native/load.c', import.meta.url));
let program = '';

/** Compiles it before the tests of a file. */
export function buildLoad(): void {
  let folder = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'wakeone-load-'));
    program = join(folder, 'load');
    await promisify(execFile)('gcc', ['-O2', '-std=gnu11', '-pthread', SOURCE, '-o', program]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
}

/** Runs it to its end; the last line that it says. Rejects if a byte was wrong, lost or too many. */
export async function runLoad(...args: (string | number)[]): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)(program, args.map(String));
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
}

/** Opens connections that each make one request and are silent then, until `end()`. */
export async function openIdle(...args: (string | number)[]): Promise<{ end(): Promise<void> }> {
  const child = spawn(program, [...args.map(String), '--idle'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  const idle = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('"idle":true')) resolve();
    });
    child.on('close', (code) => reject(new Error(`the load ended with ${code}: ${said}`)));
  });
  await within(idle, 'idle connections', 60_000);
  return {
    async end() {
      const ended = once(child, 'close');
      child.stdin.end();
      await ended;
    },
  };
}
