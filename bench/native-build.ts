import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from './package-root.ts';
import { runToEnd } from './process.ts';

/** Paths of the C programs. */
export interface Programs {
  readonly edge: string;
  readonly oneshot: string;
  readonly load: string;
}

/** Compiles the C programs into dist/bench/bin, always: it takes a second, and none is ever older than its source. */
export async function buildPrograms(): Promise<Programs> {
  const [edge, oneshot, load] = await Promise.all(['echo-edge', 'echo-oneshot', 'load'].map(compile));
  return { edge: edge ?? '', oneshot: oneshot ?? '', load: load ?? '' };
}

async function compile(name: string): Promise<string> {
  const folder = join(packageRoot, 'dist', 'bench', 'bin');
  mkdirSync(folder, { recursive: true });
  const output = join(folder, name);
  const fresh = `${output}.${process.pid}`; // renamed: another run may be using the old one
  const source = join(packageRoot, 'bench', 'native', `${name}.c`);
  const compiler = process.env['CC'] ?? 'gcc';
  const args = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-pthread', source, '-o', fresh];
  try {
    await runToEnd({ name: `${compiler} ${name}.c`, file: compiler, args }, 60_000);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the C programs of the benchmark need a C compiler (gcc, or the one in $CC).\n${reason}`,
      {
        cause: error,
      },
    );
  }
  renameSync(fresh, output);
  return output;
}
