/**
 * The package as users get it: packed, installed into an empty folder without the network, imported, type-checked, and
 * used to serve an echo.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const BOUND = { timeout: 60_000 };

type Manifest = {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly exports: Record<string, { types: string; default: string } | string>;
};
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

let folder: string;
let packed: string[];

/** Folders of the packages that the installed package needs, and that are here. */
function dependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true && entry.devOptional !== true)
    .map(([path]) => path)
    .filter((path) => existsSync(join(root, path)));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wakeone-package-'));
  // dist is what `npm test` has built; `prepack` would empty it under the other tests.
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: root, ...BOUND });
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  packed = tarball.files.map(({ path }) => path);
  // What is needed is there already, so that npm asks nobody for it.
  for (const path of dependencies()) {
    mkdirSync(join(folder, path), { recursive: true });
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  );
  const install = [
    'install',
    '--offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `./${tarball.filename}`,
  ];
  await run('npm', install, { cwd: folder, ...BOUND });
}, 90_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the tarball', () => {
  test('has what is needed at run time and to read along, and nothing of the development', () => {
    const tops = new Set(
      packed.map((path) =>
        path
          .split('/')
          .slice(0, path.startsWith('dist/') ? 2 : 1)
          .join('/'),
      ),
    );
    expect([...tops].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist/src',
      'dist/workers',
      'package.json',
      'src',
      'workers',
    ]);
    expect(
      packed.filter((path) => /(^|\/)(test|bench|fake|\.)|\.(test|spec)\.|\.log$|node_modules/.test(path)),
    ).toEqual([]);
  });

  test('has a compiled file and its types for each source, and no file of a source that is gone', () => {
    const sources = packed.filter((path) => /^(src|workers)\/.*\.c?ts$/.test(path));
    const expected = sources.flatMap((path) => {
      const base = `dist/${path.replace(/\.c?ts$/, '')}`;
      const c = path.endsWith('.cts') ? 'c' : '';
      return [`.${c}js`, `.${c}js.map`, `.d.${c}ts`, `.d.${c}ts.map`].map((end) => base + end);
    });
    expect(new Set(packed.filter((path) => path.startsWith('dist/')))).toEqual(new Set(expected));
  });

  test('has the targets of all exports', () => {
    for (const target of Object.values(manifest.exports)) {
      for (const path of typeof target === 'string' ? [target] : Object.values(target))
        expect(packed).toContain(path.replace('./', ''));
    }
  });
});

describe('the installed package', () => {
  test('brings its dependencies and no others', () => {
    const installed = JSON.parse(
      readFileSync(join(folder, 'node_modules/wakeone/package.json'), 'utf8'),
    ) as Manifest;
    expect(installed.version).toBe(manifest.version);
    expect(Object.keys(installed.dependencies)).toEqual(['koffi', 'piscina']);
    expect(readdirSync(join(folder, 'node_modules'))).not.toContain('vitest');
  });

  test('exports what is written here', async () => {
    const script = `
      const names = async (name) => Object.keys(await import(name)).sort();
      console.log(JSON.stringify([await names('wakeone'), await names('wakeone/worker'), await names('wakeone/sync')]));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      ...BOUND,
    });
    expect(JSON.parse(stdout)).toEqual([
      ['ERROR_TABLE', 'SystemError', 'attach', 'createPool'],
      [
        'blocking',
        'closePool',
        'connect',
        'defineHandlers',
        'group',
        'post',
        'registration',
        'shared',
        'startTimer',
        'stats',
        'timer',
        'userEvent',
        'workerId',
      ],
      ['Barrier', 'Condition', 'Mutex', 'Once', 'RwLock', 'Semaphore', 'StripedLock', 'threadDied'],
    ]);
  });

  test('keeps its inside to itself', async () => {
    const script = `await import('wakeone/dist/src/pool.js').catch((error) => console.log(error.code));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      ...BOUND,
    });
    expect(stdout).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });

  test('serves', async () => {
    writeFileSync(
      join(folder, 'handlers.mjs'),
      `import { defineHandlers } from 'wakeone/worker';
       export default defineHandlers({ echo: { data: (connection) => void connection.write(connection.read()) } });`,
    );
    writeFileSync(
      join(folder, 'main.mjs'),
      `import { once } from 'node:events';
       import { connect } from 'node:net';
       import { createPool } from 'wakeone';
       const pool = await createPool({ handlers: new URL('handlers.mjs', import.meta.url), minThreads: 2 });
       const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'echo' });
       const client = connect(server.address().port, '127.0.0.1');
       client.write('hello');
       console.log(String((await once(client, 'data'))[0]));
       client.end();
       await once(client, 'close');
       await pool.close();`,
    );
    const { stdout, stderr } = await run(process.execPath, ['main.mjs'], { cwd: folder, ...BOUND });
    expect({ stdout, stderr }).toEqual({ stdout: 'hello\n', stderr: '' });
  });

  test('has types that resolve, and that are right by themselves', async () => {
    // @types/node is the consumer's own.
    for (const name of ['@types/node', 'undici-types'])
      cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
    writeFileSync(
      join(folder, 'consumer.ts'),
      `import { attach, type AttachedPool, createPool, ERROR_TABLE, type ErrorCode, type Pool, type Registration, SystemError, type Ticket } from 'wakeone';
       import { type Lock, Mutex, RwLock } from 'wakeone/sync';
       import { type Connection, defineHandlers, type FdEvent, shared } from 'wakeone/worker';
       export default defineHandlers({
         echo: { data: (connection: Connection) => void connection.write(connection.input) },
         watch: async (event: FdEvent): Promise<void> => void event.read()?.length,
       });
       const pool: Pool = await createPool({ handlers: new URL(import.meta.url), minThreads: 2 });
       const registration: Registration = pool.add(3, { handler: 'watch', events: ['in'], cookie: 1n });
       pool.on('acceptPaused', (error) => console.log(error instanceof SystemError, error.code, registration.id.fd));
       const joined: AttachedPool = attach(null as unknown as Ticket);
       const bytes: Uint8Array<SharedArrayBuffer> = pool.shared('counts', 64);
       const lock: Lock = new RwLock(new SharedArrayBuffer(RwLock.BYTES)).reader;
       const found: number = new Mutex(bytes, 4).run((ownerDied) => (ownerDied ? 0 : shared('counts').length));
       const code: ErrorCode = 'ERR_WAKEONE_BAD_FD';
       // @ts-expect-error -- no such event
       registration.modify({ events: ['read'] });
       console.log(ERROR_TABLE[code].base, joined.post('watch', 1), pool.stats().workers[0]?.handled, lock, found);`,
    );
    const options = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node'],
    };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }),
    );
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const result = await run(process.execPath, [compiler, '-p', '.'], { cwd: folder, ...BOUND }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(result.stdout).toBe('');
  });
});
