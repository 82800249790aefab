/** A child process of a test: its lines, its end, its time. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { until, within } from '../servers/deadline.ts';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export class Child {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Exit>;
  output = '';
  errors = '';
  exit: Exit | undefined;

  constructor(file: string, args: readonly string[]) {
    this.process = spawn(file, args);
    this.process.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.process.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.process.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.process.on('close', (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  get lines(): string[] {
    return this.output.split('\n').slice(0, -1);
  }

  /** The first line that contains `text`. */
  async line(text: string): Promise<string> {
    const found = (): string | undefined => this.lines.find((line) => line.includes(text));
    await until(
      () => found() !== undefined || this.exit !== undefined,
      () => `"${text}" from the child; it said: ${this.output}${this.errors}`,
    );
    const line = found();
    if (line === undefined) throw new Error(`the child ended before it said "${text}": ${this.errors}`);
    return line;
  }

  /** Its end. */
  async end(deadlineMs: number): Promise<Exit> {
    try {
      return await within(
        this.ended,
        `the end of the child; it said: ${this.output}${this.errors}`,
        deadlineMs,
      );
    } finally {
      this.kill();
    }
  }

  /** Ends it, if it has not ended. */
  kill(): void {
    if (this.exit === undefined) this.process.kill('SIGKILL');
  }
}

/** Runs a program of the tests. */
export function runProgram(name: string, ...args: string[]): Child {
  return new Child(process.execPath, [new URL(`programs/${name}.mjs`, import.meta.url).pathname, ...args]);
}
