/** The cache of the demo as a process of its own, and what talks to it: redis-cli, redis-benchmark, sockets. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Demo, HOST, start } from '../demo-process.ts';

export type Cache = { readonly demo: Demo; readonly port: number };

/** The cache, whose clients may crash it. */
export function openCache(...args: string[]): Promise<Cache> {
  return openSafeCache('--unsafe-commands', ...args);
}

export async function openSafeCache(...args: string[]): Promise<Cache> {
  const demo = start('--json', '--echo', '0', '--resp', '0', ...args);
  const { resp } = JSON.parse(await demo.line()) as { readonly resp: { readonly port: number } };
  return { demo, port: resp.port };
}

/** Runs a program to its end; what it printed. */
export async function run(file: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${errors}${out}`);
  return out;
}

/** One command of redis-cli; its lines. */
export async function cli({ port }: Cache, ...words: string[]): Promise<string> {
  return (await run('redis-cli', ['-h', HOST, '-p', String(port), ...words])).trimEnd();
}

/** redis-benchmark; throws if it fails. */
export function benchmark({ port }: Cache, ...args: string[]): Promise<string> {
  return run('redis-benchmark', ['-h', HOST, '-p', String(port), '-q', ...args]);
}

/** A command as clients send it. */
export const encode = (...words: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [
      Buffer.from(`$${Buffer.byteLength(word)}\r\n`),
      Buffer.from(word),
      Buffer.from('\r\n'),
    ]),
  ]);

/** What the pool of the cache says of itself. */
export async function poolOf(cache: Cache): Promise<Readonly<Record<string, string>>> {
  const lines = (await cli(cache, 'info', 'wakeone')).split(/\r?\n/).slice(1);
  return Object.fromEntries(lines.map((line) => line.split(':') as [string, string]));
}
