/** The demo as a process of its own, and clients of it; all of them end with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/src/demo/main.js', import.meta.url));
export const HOST = '127.0.0.1';

/** What the demo says, on standard error, to its first signal; nothing else. */
export const DRAINING = 'wakeone: draining; a second signal ends at once\n';

/** What came of a process: its exit code or signal, and all that it wrote. */
type End = { readonly code: number | null; readonly signal: string | null; out: string; err: string };

export type Ready = { readonly echo: { readonly port: number }; readonly proxy?: { readonly port: number } };

export class Demo {
  readonly child: ChildProcess;
  readonly ended: Promise<End>;
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;

  constructor(...args: string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    let [out, err] = ['', ''];
    stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    this.#interface = createInterface({ input: stdout });
    this.#lines = this.#interface[Symbol.asyncIterator]();
    this.ended = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
      out,
      err,
    }));
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the demo has ended: ${JSON.stringify(await this.ended)}`);
    return value;
  }

  /** What the ready line tells. */
  async ready(): Promise<Ready> {
    return JSON.parse(await this.line()) as Ready;
  }

  /** The port of the echo. */
  async port(): Promise<number> {
    return (await this.ready()).echo.port;
  }

  signal(signal: NodeJS.Signals): Demo {
    this.child.kill(signal);
    return this;
  }
}

const demos: Demo[] = [];
const sockets: Socket[] = [];

export function start(...args: string[]): Demo {
  const demo = new Demo(...args);
  demos.push(demo);
  return demo;
}

export async function client(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const demo of demos.splice(0)) {
    if (demo.child.exitCode === null) demo.child.kill('SIGKILL');
    await demo.ended;
  }
});
