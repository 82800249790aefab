/** Scenario 91: signals, a debugger and a stop interrupt every thread of a server; it goes on as if nothing was. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { PoolStats } from 'wakeone';
import { signalThread, traceBriefly } from '../support/libc.ts';
import { times } from './support/world.ts';

const SERVER = new URL('handlers/echo-server.mjs', import.meta.url);

type Child = { readonly process: ChildProcess; readonly pid: number; readonly socket: Socket };

/** Runs a scenario against a server in a process of its own; all must be well with it at the end. */
async function withServer(scenario: (child: Child) => Promise<void>): Promise<void> {
  const server = spawn(process.execPath, [SERVER.pathname], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(server, 'exit');
  try {
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const nextLine = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
    const { port } = (await nextLine()) as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    await scenario({ process: server, pid: server.pid ?? -1, socket });
    socket.destroy();
    server.stdin.end();
    const stats = (await nextLine()) as PoolStats;
    expect([stats.exclusivityViolations, stats.rescuedWakeups, stats.registered]).toEqual([0, 0, 0]);
    expect(await exited).toEqual([0, null]);
  } finally {
    server.kill('SIGCONT');
    server.kill('SIGKILL');
  }
}

/** Sends a text and waits until it has come back. */
async function echo(socket: Socket, text: string): Promise<void> {
  const back = received(socket, text.length);
  socket.write(text);
  expect(await back).toBe(text);
}

function received(socket: Socket, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const hear = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (text.length < length) return;
      socket.off('data', hear).off('error', reject);
      resolve(text);
    };
    socket.on('data', hear).on('error', reject);
  });
}

const threadsOf = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map(Number);
/** The letter after the name, which may hold anything. */
const stateOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.[0] ?? '';

describe('a server', () => {
  it('goes on under a storm of signals to the process (91)', async () => {
    await withServer(async ({ process: server, socket }) => {
      for (let round = 0; round < times(300, 20_000); round++) {
        server.kill('SIGURG');
        server.kill('SIGWINCH');
        await echo(socket, `round ${round}`);
      }
    });
  });

  it('goes on when each of its threads is interrupted, waiting or not (91)', async () => {
    await withServer(async ({ pid, socket }) => {
      for (let round = 0; round < times(40, 2000); round++) {
        for (const thread of threadsOf(pid)) {
          try {
            signalThread(thread, constants.signals.SIGWINCH, pid);
          } catch {
            // Threads of the runtime come and go.
          }
        }
        await echo(socket, `round ${round}`);
      }
    });
  });

  it('goes on when a debugger has looked at each of its threads (91)', async () => {
    await withServer(async ({ pid, socket }) => {
      for (let round = 0; round < times(5, 200); round++) {
        for (const thread of threadsOf(pid)) {
          traceBriefly(thread);
          await echo(socket, `thread ${thread}`);
        }
      }
    });
  });

  it('answers after a stop what came during it (91)', async () => {
    await withServer(async ({ process: server, pid, socket }) => {
      for (let round = 0; round < times(10, 500); round++) {
        server.kill('SIGSTOP');
        while (stateOf(pid) !== 'T') await new Promise((resolve) => setImmediate(resolve));
        const back = received(socket, 6);
        socket.write('patien');
        server.kill('SIGCONT');
        expect(await back).toBe('patien');
        await echo(socket, `round ${round}`);
      }
    });
  });
});
