/** The C programs of the benchmarks: the load generator as a client that checks every byte, and a server to compare with. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';
import { within } from './deadline.ts';

let folder = '';
let program = '';

const sourceOf = (name: string): string =>
  fileURLToPath(new URL(`../../bench/native/${name}.c`, import.meta.url));

async function compile(name: string): Promise<string> {
  const output = join(folder, name);
  await promisify(execFile)('gcc', ['-O2', '-std=gnu11', '-pthread', sourceOf(name), '-o', output]);
  return output;
}

/** Whether there is a compiler for them. */
export const hasCompiler: boolean = spawnSync('gcc', ['--version']).status === 0;

/** Compiles the load generator before the tests of a file. */
export function buildLoad(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'wakeone-load-'));
    program = await compile('load');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
}

/** Compiles and starts a C echo server, after buildLoad(); resolves when it listens. */
export async function startEcho(
  name: 'echo-edge' | 'echo-oneshot',
  ...args: (string | number)[]
): Promise<{ readonly port: number; end(): Promise<void> }> {
  const file = await compile(name);
  const child = spawn(file, args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await within(once(child.stdout, 'data'), `the ready line of ${name}`)) as [Buffer];
  const { echo } = JSON.parse(line.toString()) as { readonly echo: { readonly port: number } };
  return {
    port: echo.port,
    async end() {
      const ended = once(child, 'close');
      child.kill();
      await ended;
    },
  };
}

/** Runs the load generator to its end; the last line that it says. Rejects if a byte was wrong, lost or too many. */
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
