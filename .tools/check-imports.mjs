// Checks that imports go one way: index, worker, demo -> pool -> pool-end -> sources, supervision, observe -> reactor ->
// slots, locks, sync -> native; that koffi stays in src/native, which others enter by its index only (its tests, and
// test/support/libc.ts, which makes descriptors for tests, have it too); that src does not reach into workers (the demo
// does), test or bench; and that no files import each other in a circle.
// Type imports count as well: a folder that needs a type from above depends on what is above.
// `--self-test` proves that each of these rules can fail.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const below = [
  'native',
  'sync',
  'slots',
  'reactor',
  'sources',
  'observe',
  'supervision',
  'errors',
  'options',
  'abort',
];

// Unit (folder or file directly in src) -> units that it may import.
const allowed = {
  errors: [],
  options: ['errors'],
  abort: ['errors'],
  native: ['errors'],
  sync: ['errors'],
  locks: ['sync', 'errors', 'options'],
  slots: ['sync', 'native', 'errors', 'options'],
  observe: ['slots', 'sync', 'errors', 'options'],
  reactor: ['slots', 'sync', 'native', 'observe', 'errors', 'options'],
  sources: ['abort', 'reactor', 'slots', 'sync', 'native', 'observe', 'errors', 'options'],
  supervision: ['reactor', 'slots', 'sync', 'native', 'observe', 'errors', 'options'],
  'pool-end': below,
  pool: [...below, 'pool-end'],
  worker: [...below, 'pool-end', 'pool'],
  index: [...below, 'pool-end', 'pool', 'worker'],
  demo: [...below, 'pool-end', 'pool', 'worker', 'index'],
};

const topFolders = {
  src: ['src'],
  workers: ['src', 'workers'],
  bench: ['src', 'workers', 'bench'],
  test: ['src', 'workers', 'bench', 'test'],
};

const names = String.raw`(?:[\w$]+\s*,?\s*)?(?:\*\s*as\s+[\w$]+|\{[^}]*\})?`;
const statements = [
  new RegExp(String.raw`^[ \t]*import\s+(?:type\s+)?${names}\s*from\s*['"]([^'"]+)['"]`, 'gm'),
  /^[ \t]*import\s*['"]([^'"]+)['"]/gm,
  /^[ \t]*export\s+(?:type\s+)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})\s*from\s*['"]([^'"]+)['"]/gm,
  /\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g,
];

function specifiersOf(text) {
  // Lines of comments, among them the examples of TSDoc, import nothing.
  const code = text.replaceAll(/^[ \t]*(?:\/\/|\/\*|\*).*$/gm, '');
  return statements.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]));
}

function unitOf(path) {
  return path.split('/')[1].replace(/\.ts$/, '');
}

function resolve(from, specifier, files) {
  const path = posix.join(posix.dirname(from), specifier);
  return [path, path.replace(/js$/, 'ts'), `${path}.ts`, `${path}/index.ts`].find((name) => files.has(name));
}

// What is wrong with one import, or undefined.
function judge(from, specifier, target) {
  const folder = from.split('/')[0];
  if (specifier === 'koffi' || specifier.startsWith('koffi/')) {
    const mayUse = /^(?:src|test)\/native\//.test(from) || from === 'test/support/libc.ts';
    return mayUse ? undefined : 'only src/native may import koffi';
  }
  if (!specifier.startsWith('.')) {
    const self = specifier === 'wakeone' || specifier.startsWith('wakeone/');
    return self && folder === 'src' ? 'src may not import the package by its name' : undefined;
  }
  const path = target ?? posix.join(posix.dirname(from), specifier);
  const targetFolder = path.split('/')[0];
  const isDemo = from.startsWith('src/demo/') && targetFolder === 'workers';
  if (!topFolders[folder].includes(targetFolder) && !isDemo)
    return `${folder} may not import ${targetFolder}`;
  if (target === undefined) return 'no such file';
  if (targetFolder !== 'src') return undefined;

  const unit = folder === 'src' ? unitOf(from) : undefined;
  const targetUnit = unitOf(target);
  if (unit === targetUnit) return undefined;
  if (targetUnit === 'native' && folder !== 'test' && target !== 'src/native/index.ts') {
    return 'src/native is entered by its index only';
  }
  if (unit === undefined) return undefined;
  if (allowed[unit] === undefined)
    return `src/${unit} is in no layer; give it one in .tools/check-imports.mjs`;
  return allowed[unit].includes(targetUnit) ? undefined : `${unit} may not import ${targetUnit}`;
}

// Depth first; a file met again while still on the path closes a circle.
function cyclesOf(graph) {
  const cycles = [];
  const done = new Set();
  const path = [];
  const visit = (file) => {
    if (done.has(file)) return;
    const start = path.indexOf(file);
    if (start !== -1) {
      cycles.push([...path.slice(start), file]);
      return;
    }
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

// `files`: Map of path (with forward slashes, from the root) to text.
function check(files) {
  const problems = [];
  const graph = new Map();
  for (const [from, text] of files) {
    const edges = new Set();
    for (const specifier of specifiersOf(text)) {
      const target = specifier.startsWith('.') ? resolve(from, specifier, files) : undefined;
      const problem = judge(from, specifier, target);
      if (problem !== undefined) problems.push(`${from}: '${specifier}': ${problem}`);
      if (target !== undefined) edges.add(target);
    }
    graph.set(from, edges);
  }
  for (const cycle of cyclesOf(graph)) problems.push(`cycle: ${cycle.join(' -> ')}`);
  return problems;
}

function readTree(root) {
  const files = new Map();
  for (const folder of Object.keys(topFolders)) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      const path = posix.join(folder, String(name));
      if (/(?<!\.d)\.ts$/.test(path)) files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  }
  return files;
}

function selfTest() {
  const good = {
    'src/index.ts': "export { Pool } from './pool.ts';\nexport type { Options } from './options.ts';\n",
    'src/pool.ts': "import { open } from './native/index.ts';\nimport './supervision/spawn.ts';\n",
    'src/options.ts': "import { fail } from './errors.ts';\n",
    'src/errors.ts': "/**\n * @example\n * import { Pool } from './index.ts';\n */\nexport const fail = 1;\n",
    'src/native/index.ts': "export * from './epoll.ts';\n",
    'src/native/epoll.ts': "import koffi from 'koffi';\nimport { fail } from '../errors.ts';\n",
    'src/sync/ring.ts': "import type { Fail } from '../errors.ts';\n",
    'src/slots/slot.ts': "import {\n  take, // first in\n} from '../sync/ring.ts';\n",
    'src/supervision/spawn.ts':
      "import { a } from '../slots/slot.ts';\nnew URL('../../workers/entry.ts', 'a:b');\n",
    'workers/entry.ts': "import { Pool } from '../src/index.ts';\n",
    'test/support/libc.ts': "import koffi from 'koffi';\n",
    'test/native/epoll.test.ts': "import { open } from '../../src/native/epoll.ts';\n",
  };
  // [file, its text, what the report must say]
  const bad = [
    ['src/sync/ring.ts', "import { open } from '../native/index.ts';", 'sync may not import native'],
    ['src/native/a.ts', "import type { R } from '../reactor/loop.ts';", 'native may not import reactor'],
    ['src/reactor/loop.ts', "import {\n  P,\n} from '../pool.ts';", 'reactor may not import pool'],
    ['src/slots/a.ts', "export * from '../reactor/loop.ts';", 'slots may not import reactor'],
    ['src/observe/a.ts', "import { o } from '../native/index.ts';", 'observe may not import native'],
    ['src/sources/a.ts', "const m = await import('../pool.ts');", 'sources may not import pool'],
    ['src/errors.ts', "import '../src/options.ts';", 'errors may not import options'],
    ['src/pool.ts', "import { P } from './index.ts';", 'pool may not import index'],
    ['src/pool.ts', "import { o } from './native/epoll.ts';", 'entered by its index only'],
    ['workers/a.ts', "import { o } from '../src/native/epoll.ts';", 'entered by its index only'],
    ['src/sync/a.ts', "import koffi from 'koffi';", 'only src/native may import koffi'],
    ['test/support/fds.ts', "import koffi from 'koffi';", 'only src/native may import koffi'],
    ['bench/a.ts', "const koffi = require('koffi');", 'only src/native may import koffi'],
    ['src/pool.ts', "import '../workers/entry.ts';", 'src may not import workers'],
    ['src/pool.ts', "import { b } from '../bench/b.ts';", 'src may not import bench'],
    ['src/pool.ts', "import { Pool } from 'wakeone';", 'by its name'],
    ['src/pool.ts', "import { a } from './missing.ts';", 'no such file'],
    ['src/extra/a.ts', "import { fail } from '../errors.ts';", 'is in no layer'],
    ['src/native/epoll.ts', "import type { A } from './index.ts';", 'cycle: '],
  ];
  const base = new Map(Object.entries({ ...good, 'src/reactor/loop.ts': '', 'bench/b.ts': '' }));
  const failures = check(base).map((problem) => `a good import was refused: ${problem}`);
  for (const [file, text, expected] of bad) {
    const found = check(new Map([...base, [file, text]]));
    if (!found.some((problem) => problem.includes(expected))) {
      failures.push(`not found: '${expected}' in ${file}: ${text}`);
    }
  }
  return { failures, cases: bad.length };
}

if (process.argv.includes('--self-test')) {
  const { failures, cases } = selfTest();
  for (const failure of failures) process.stderr.write(`check-imports: self-test: ${failure}\n`);
  if (failures.length === 0)
    process.stderr.write(`check-imports: self-test: found all ${cases} bad imports\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
} else {
  const files = readTree(fileURLToPath(new URL('..', import.meta.url)));
  const problems = check(files);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.stderr.write(`check-imports: ${files.size} files, ${problems.length} problems\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
