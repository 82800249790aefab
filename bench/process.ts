import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface Command {
  /** What messages call it. */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const endPatienceMs = 5000;
const keptErrorOutput = 8192;
const running = new Set<Child>();

/**
 * A process that the benchmark started. It is ended by its own handle, never by name, and none is left behind: by
 * `end()`, by `endAll()` after an error or a signal, and at the latest by the `exit` hook.
 */
export class Child {
  readonly name: string;
  readonly pid: number;
  /** Settles when the process is gone and its output was read; never rejects. */
  readonly exited: Promise<Exit>;
  readonly lines: string[] = [];
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #listeners = new Set<() => void>();
  #errorOutput = '';
  #exit: Exit | undefined;

  constructor(command: Command, child: ChildProcessByStdio<Writable, Readable, Readable>, pid: number) {
    this.name = command.name;
    this.pid = pid;
    this.#process = child;
    child.stdin.on('error', () => {}); // it may end before its stdin does
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errorOutput = (this.#errorOutput + text).slice(-keptErrorOutput);
      this.#tell();
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#tell();
    });
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(this);
        this.#exit = { code, signal };
        this.#tell();
        resolve(this.#exit);
      });
    });
    running.add(this);
  }

  /** What it wrote to stderr, its last part. */
  get errorOutput(): string {
    return this.#errorOutput;
  }

  /** Waits until `look` finds what it wants in the output so far. Rejects on the exit of the process and on timeout. */
  async waitFor<Found>(
    what: string,
    timeoutMs: number,
    look: (child: Child) => Found | undefined,
  ): Promise<Found> {
    const { promise, resolve, reject } = deferred<Found>();
    const check = (): void => {
      const found = look(this);
      if (found !== undefined) resolve(found);
      else if (this.#exit !== undefined) reject(this.failure(`ended before ${what}`));
    };
    const timer = setTimeout(() => {
      reject(this.failure(`no ${what} within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#listeners.add(check);
    try {
      check();
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(check);
    }
  }

  closeStdin(): void {
    this.#process.stdin.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Sends the signal, waits for the exit, and kills after a grace time. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (this.#exit !== undefined) return this.#exit;
    this.kill(signal);
    const timer = setTimeout(() => {
      this.kill('SIGKILL');
    }, endPatienceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  failure(what: string): Error {
    const exit = this.#exit === undefined ? '' : ` (code ${this.#exit.code}, signal ${this.#exit.signal})`;
    const output = this.#errorOutput.trim();
    return new Error(`${this.name}: ${what}${exit}${output === '' ? '' : `\n${output}`}`);
  }

  killNow(): void {
    this.#process.kill('SIGKILL');
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export async function startChild(command: Command): Promise<Child> {
  const child = spawn(command.file, command.args, { stdio: ['pipe', 'pipe', 'pipe'] });
  if (child.pid === undefined) {
    const [error] = (await once(child, 'error')) as [Error];
    throw new Error(`${command.name} can't be started: ${error.message}`, { cause: error });
  }
  return new Child(command, child, child.pid);
}

/** Runs a command that ends by itself. Rejects unless it exits with 0 in time. */
export async function runToEnd(command: Command, timeoutMs: number): Promise<Child> {
  const child = await startChild(command);
  child.closeStdin();
  const timer = setTimeout(() => {
    child.killNow();
  }, timeoutMs);
  const exit = await child.exited;
  clearTimeout(timer);
  if (exit.code !== 0) throw child.failure('failed');
  return child;
}

export async function endAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.end()));
}

/** Ctrl-C, SIGTERM and the end of the terminal end the children first, then this process. */
export function endAllOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void endAll().finally(() => {
        process.exit(128 + constants.signals[signal]);
      });
    });
  }
  process.on('exit', () => {
    for (const child of running) child.killNow();
  });
}

function deferred<Value>(): {
  promise: Promise<Value>;
  resolve: (value: Value) => void;
  reject: (error: Error) => void;
} {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
