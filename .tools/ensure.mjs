// Makes a checkout runnable: installs packages and builds, each only when missing or out of date.
// Speaks on stderr only, so that `npm start -- --json` keeps stdout for its own output.
// `--force` builds in any case, from an empty dist.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampPath = join(root, 'dist', '.stamp.json');
const sourceFolders = ['src', 'workers', 'bench'];

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function run(label, command, args) {
  process.stderr.write(`wakeone: ${label}\n`);
  // The child's stdout goes to our stderr.
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.error !== undefined) process.stderr.write(`wakeone: ${command}: ${result.error.message}\n`);
  if (result.status !== 0) {
    process.stderr.write(`wakeone: ${label} failed\n`);
    process.exit(result.status ?? 1);
  }
}

// Compares versions rather than file times: a fresh clone, a branch switch and a restored cache all
// have times that say nothing.
function installIsCurrent() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const installed = present[path];
    if (installed === undefined) return entry.optional === true || entry.devOptional === true;
    return installed.version === entry.version && existsSync(join(root, path, 'package.json'));
  });
}

function sourceFiles() {
  return sourceFolders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))),
    )
    .filter((name) => /\.[cm]?ts$/.test(name))
    .toSorted((a, b) => (a < b ? -1 : 1));
}

// { path: hash } of all that the build reads; a removed or renamed source changes it too.
function fingerprint(files) {
  const hashOf = (name) =>
    createHash('sha256')
      .update(readFileSync(join(root, name)))
      .digest('hex');
  const inputs = ['tsconfig.json', 'package.json', 'package-lock.json', ...files];
  return Object.fromEntries(inputs.map((name) => [name, hashOf(name)]));
}

function outputOf(source) {
  return join('dist', source.replace(/ts$/, 'js'));
}

function buildIsCurrent(files, inputs) {
  return (
    JSON.stringify(readJson(stampPath)) === JSON.stringify(inputs) &&
    files.every((name) => name.endsWith('.d.ts') || existsSync(join(root, outputOf(name))))
  );
}

// What a removed source left behind would still be importable, and be packed.
function removeStaleOutputs(files) {
  const before = Object.keys(readJson(stampPath) ?? {}).filter((name) => /\.[cm]?ts$/.test(name));
  for (const name of before) {
    if (files.includes(name)) continue;
    const output = join(root, outputOf(name));
    const declaration = output.replace(/js$/, 'd.ts').replace(/\.([cm]?)d\.ts$/, '.d.$1ts');
    for (const path of [output, declaration]) {
      rmSync(path, { force: true });
      rmSync(`${path}.map`, { force: true });
    }
  }
}

const force = process.argv.includes('--force');

if (!installIsCurrent()) {
  run('installing packages', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
}

const files = sourceFiles();
const inputs = fingerprint(files);
if (force || !buildIsCurrent(files, inputs)) {
  if (force) rmSync(join(root, 'dist'), { recursive: true, force: true });
  else removeStaleOutputs(files);
  run('building', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', root]);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(stampPath, JSON.stringify(inputs));
}
