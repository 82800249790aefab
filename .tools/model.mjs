// Runs the Spin models of test/model and their mutants: `npm run model`, or with small bounds `npm run model -- --small`.
// More words choose the cases whose names contain one of them. One line for each case, a summary last.
//
// A model must have no error in a search that was completed; a mutant, and a gap that is known, must have one. The large
// bounds add searches by bitstate hashing, which may miss states, and may end early: their lines say so.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gaps, large, mutants, small } from './model-cases.mjs';

const models = fileURLToPath(new URL('../test/model/', import.meta.url));
const JOBS = 2;
const MEGABYTES = 1800;
// For one case: a machine that is busy with other things is several times slower.
const SMALL_LIMIT_MS = 150_000;
const LARGE_LIMIT_MS = 240_000;
const BITSTATE_MS = 35_000;

// How pan searches, and what the model is told of it. `-E`: a state without a step is judged by the model itself.
const modes = {
  safety: { spin: [], gcc: ['-DSAFETY'], pan: ['-E'] },
  progress: { spin: [], gcc: ['-DNP'], pan: ['-l'] },
  // Weak fairness; room for more processes than two words of pan's own count.
  live: { spin: ['LIVE'], gcc: ['-DNFAIR=3'], pan: ['-a', '-f'] },
  bitstate: { spin: [], gcc: ['-DSAFETY', '-DBITSTATE'], pan: ['-E', '-w32'] },
};

function caseOf([model, name, mode, definitions], kind, isLarge = false) {
  const all = definitions.split(' ').filter((definition) => definition !== '');
  if (kind === 'mutant') all.push(`MUTANT_${name}`);
  if (kind === 'gap') all.push(name);
  // Of two values of one name the last counts.
  const values = new Map(all.map((definition) => [definition.split('=')[0], definition]));
  return { model, name, mode, kind, isLarge, definitions: [...values.values()] };
}

/** `endMs`: when it is asked to end and say what it knows; `limitMs`: when it is killed. */
function run(command, args, cwd, limitMs, endMs = limitMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    const ending = setTimeout(() => child.kill('SIGINT'), endMs);
    const hear = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error) => hear(error.message));
    child.on('close', (status) => {
      clearTimeout(timer);
      clearTimeout(ending);
      resolve({ output, status, late });
    });
  });
}

async function search(folder, { model, mode, isLarge, definitions }, limitMs) {
  const { spin, gcc, pan } = modes[mode];
  const given = [...definitions, ...spin].map((definition) => `-D${definition}`);
  const made = await run('spin', [...given, '-a', join(models, `${model}.pml`)], folder, limitMs);
  if (made.status !== 0 || /\bError\b/.test(made.output)) return { broken: `spin: ${made.output.trim()}` };
  // What ends in seconds ends sooner if the compiler is not asked for much.
  const level = isLarge ? '-O1' : '-O0';
  // States that take a few minutes to find want less room each.
  const packed = isLarge && mode !== 'bitstate' ? ['-DCOLLAPSE'] : [];
  const flags = [level, '-w', `-DMEMLIM=${MEGABYTES}`, ...packed, ...gcc];
  const compiled = await run('gcc', [...flags, '-o', 'pan', 'pan.c'], folder, limitMs);
  if (compiled.status !== 0) return { broken: `gcc: ${compiled.output.trim()}` };
  const { output, late } = await run(
    join(folder, 'pan'),
    ['-m2000000', ...pan],
    folder,
    limitMs,
    mode === 'bitstate' ? BITSTATE_MS : limitMs,
  );
  const errors = /errors: (\d+)/.exec(output);
  const why = /^pan:1: (.*?)(?: \(at depth.*)?$/m.exec(output)?.[1] ?? '';
  return {
    errors: Number(errors?.[1] ?? 0),
    states: Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0),
    seconds: /elapsed time ([\d.]+)/.exec(output)?.[1] ?? '?',
    why,
    complete:
      errors !== null &&
      !late &&
      !/Search not completed|Interrupted|search depth too small|out of memory/i.test(output),
  };
}

// Without the macros' expansions, which fill lines.
function shorten(why) {
  const text = why.replace(/\s+/g, ' ');
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

// [whether that is as it must be, what to say]
function judge({ kind, mode }, result) {
  if (result.broken !== undefined) return [false, result.broken];
  if (kind !== 'model') {
    if (result.errors > 0) return [true, `fails as it must: ${shorten(result.why)}`];
    return [false, kind === 'gap' ? 'GAP NOT FOUND' : 'MUTANT NOT FOUND'];
  }
  if (result.errors > 0) return [false, `FAILS: ${result.why}`];
  if (mode === 'bitstate') {
    return [result.states > 0, `holds (bitstate, ${result.complete ? 'completed' : 'ended early'})`];
  }
  return result.complete ? [true, 'holds'] : [false, 'SEARCH NOT COMPLETED'];
}

async function check(chosen, limitMs) {
  const folder = mkdtempSync(join(tmpdir(), 'wakeone-model-'));
  try {
    const result = await search(folder, chosen, limitMs);
    const [good, verdict] = judge(chosen, result);
    const count = `${result.states ?? 0} states`.padStart(16);
    const time = `${result.seconds ?? '?'} s`.padStart(8);
    const title = `${chosen.model}: ${chosen.kind === 'model' ? '' : `${chosen.kind} `}${chosen.name}`;
    process.stdout.write(`${title.padEnd(44)}${count}${time}  ${verdict}\n`);
    return good;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function missingPackages() {
  const needed = [
    ['spin', '-V', 'spin'],
    ['gcc', '--version', 'gcc libc6-dev'],
  ];
  return needed.flatMap(([command, argument, packages]) =>
    spawnSync(command, [argument]).error === undefined ? [] : [packages],
  );
}

// A mutant or gap that is in a model and not run here is a slip.
function unknownNames(cases) {
  const used = new Set(cases.flatMap(({ definitions }) => definitions.filter((name) => !name.includes('='))));
  const named = readdirSync(models).flatMap((file) => {
    const text = readFileSync(join(models, file), 'utf8');
    return [...text.matchAll(/^#.*\b((?:MUTANT|GAP)_\w+)/gm)].map((match) => match[1]);
  });
  return [...new Set(named)].filter((name) => !used.has(name));
}

const missing = missingPackages();
if (missing.length > 0) {
  process.stderr.write(
    `model: ERR_MODEL_TOOLS_MISSING: needs Debian packages that are not here; apt-get install ${missing.join(' ')}\n`,
  );
  process.exit(1);
}

const words = process.argv.slice(2);
const isSmall = words.includes('--small');
const wanted = words.filter((word) => word !== '--small');
const started = performance.now();

const all = [
  ...small.map((line) => caseOf(line, 'model')),
  ...(isSmall ? [] : large.map((line) => caseOf(line, 'model', true))),
  ...mutants.map((line) => caseOf(line, 'mutant')),
  ...gaps.map((line) => caseOf(line, 'gap')),
];
const chosen = all.filter(
  ({ model, name }) => wanted.length === 0 || wanted.some((word) => `${model}: ${name}`.includes(word)),
);
const limitMs = isSmall ? SMALL_LIMIT_MS : LARGE_LIMIT_MS;

let bad = 0;
for (const name of unknownNames(all)) {
  process.stdout.write(`${name} is in a model and in no case\n`);
  bad++;
}
const queue = [...chosen];
await Promise.all(
  Array.from({ length: JOBS }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (!(await check(next, limitMs))) bad++;
    }
  }),
);

const count = (kind) => chosen.filter((entry) => entry.kind === kind).length;
const seconds = ((performance.now() - started) / 1000).toFixed(0);
process.stdout.write(
  `${count('model')} models, ${count('mutant')} mutants, ${count('gap')} known gaps: ` +
    `${bad} not as expected, ${seconds} s\n`,
);
process.exitCode = bad === 0 && chosen.length > 0 ? 0 : 1;
