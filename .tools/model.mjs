// Runs the Spin models of test/model and their mutants: `npm run model`, or with small bounds `npm run model -- --small`.
// More words choose the cases whose names contain one of them. One line for each case, a summary last.
//
// A model must have no error in a search that was completed; a mutant, and a gap that is known, must have one. The large
// bounds add searches by bitstate hashing, which may miss states, and may end early: their lines say so.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const models = fileURLToPath(new URL('../test/model/', import.meta.url));
const JOBS = 2;
const MEGABYTES = 1800;
// For one case: a machine that is busy with other things is several times slower.
const SMALL_LIMIT_MS = 150_000;
const LARGE_MINUTES = 3;

// How pan searches, and what the model is told of it. `-E`: a state without a step is judged by the model itself.
const modes = {
  safety: { spin: [], gcc: ['-DSAFETY'], pan: ['-E'] },
  progress: { spin: [], gcc: ['-DNP'], pan: ['-l'] },
  // Weak fairness; room for more processes than two words of pan's own count.
  live: { spin: ['LIVE'], gcc: ['-DNFAIR=3'], pan: ['-a', '-f'] },
  bitstate: { spin: [], gcc: ['-DSAFETY', '-DBITSTATE'], pan: ['-E', '-w32', `-Q${LARGE_MINUTES}`] },
};

const wake = 'MONITORED=0 WAKE_AT_HINTS=0';
const put = 'COARSE=1 STUCK=1';
const blocks = 'PUSHES=1 EVENTS=0 COARSE=1 STUCK=1 CONCURRENCY=1';
const dies = `PUSHES=0 EVENTS=1 DEATHS=1 ${wake}`;

const timer = 'TIMER=1 COARSE=1 EVENTS=0 MOVES=0';

// [model, case, mode, definitions]
const small = [
  ['ring', 'order', 'safety', ''],
  ['ring', 'lock-free', 'progress', 'TAKERS=1'],
  ['parking', 'wake rule', 'safety', `PUSHES=2 EVENTS=1 ${wake}`],
  ['parking', 'wake rule, limit of 1', 'safety', `PUSHES=2 EVENTS=1 CONCURRENCY=1 COARSE=1 ${wake}`],
  ['parking', 'put off, monitor', 'live', `PUSHES=1 EVENTS=0 ${put}`],
  ['parking', 'put off, monitor, event', 'live', `PUSHES=0 EVENTS=1 WAKE_AT_HINTS=2 ${put}`],
  ['parking', 'put off, no monitor', 'safety', 'PUSHES=1 EVENTS=1 MONITORED=0 WAKE_AT_HINTS=2'],
  ['parking', 'put off, no monitor, stuck', 'safety', 'PUSHES=1 EVENTS=1 MONITORED=0 STUCK=1 PUT_OFF'],
  ['parking', 'blocking', 'safety', `BLOCKS=1 ${blocks} ${wake}`],
  ['parking', 'concurrency changes', 'safety', `PUSHES=2 EVENTS=0 CHANGES=1 ${wake}`],
  ['parking', 'retirement', 'safety', `PUSHES=1 EVENTS=1 RETIRES=1 ${wake}`],
  ['parking', 'deaths, request', 'safety', `PUSHES=1 EVENTS=0 DEATHS=1 COARSE=1 ${wake}`],
  ['parking', 'deaths, event', 'safety', dies],
  ['timers', 'idle, deadline', 'safety', 'LAST=4 COARSE=1'],
  ['timers', 'idle, deadline, fine steps', 'safety', 'LAST=4 IDLE=4 FIRST=4 DELAY=1'],
  ['timers', 'idle, deadline, event', 'live', 'LAST=4 COARSE=1 MOVES=0'],
  ['timers', 'silences', 'safety', 'LAST=4 COARSE=1 EVENTS=0 MOVES=0 SILENCES=1'],
  ['timers', 'ends, reuse', 'safety', 'LAST=4 COARSE=1 EVENTS=0 FORCES=1 REUSES=1'],
  ['timers', 'timer, reset', 'live', `${timer} RESETS=1 LAST=4`],
  ['timers', 'timer, silences', 'safety', `${timer} MOVES=1 SILENCES=1 LAST=4`],
  ['timers', 'timer, ends, reset', 'safety', `${timer} RESETS=1 FORCES=1 LAST=4`],
  ['slot', 'oneshot', 'safety', 'FILES=3 DATA=3 FORCES=2'],
  ['slot', 'edge', 'safety', 'EDGE=1 FILES=3 DATA=3 FORCES=2'],
  ['slot', 'oneshot, not a stream', 'safety', 'STREAM=0 FILES=3 DATA=3 FORCES=2'],
  ['slot', 'oneshot, deaths', 'safety', 'DATA=1 DEATHS=1'],
  ['slot', 'edge, deaths', 'safety', 'EDGE=1 DATA=1 DEATHS=1'],
];

// [model, mutant, mode, definitions]
const mutants = [
  ['ring', 'TAIL_FIRST', 'safety', ''],
  ['ring', 'NO_LAP', 'safety', ''],
  ['ring', 'EMPTY_BY_COUNTERS', 'safety', ''],
  ['ring', 'NO_HELP', 'progress', 'TAKERS=1'],
  ['parking', 'NO_LOOK_AGAIN', 'safety', `PUSHES=2 EVENTS=1 ${wake}`],
  ['parking', 'SEARCHER_KEPT', 'safety', `PUSHES=2 EVENTS=1 ${wake}`],
  ['parking', 'POLLER_NO_LOOK', 'safety', 'PUSHES=2 EVENTS=0 WORKERS=1 COARSE=1'],
  ['parking', 'MONITOR_NO_LOOK', 'live', `PUSHES=0 EVENTS=1 WAKE_AT_HINTS=2 ${put}`],
  ['parking', 'SEARCHER_CLEARED', 'safety', `BLOCKS=1 ${blocks} ${wake}`],
  ['parking', 'AWAY_SILENTLY', 'safety', `BLOCKS=1 ${blocks} ${wake}`],
  ['parking', 'NO_REVIEW', 'safety', `BLOCKS=1 ${blocks} PUSHES=2 ${wake}`],
  ['parking', 'REVIEW_LATE', 'safety', `PUSHES=2 EVENTS=0 CHANGES=1 ${wake}`],
  ['parking', 'NO_RELIEF', 'live', `NAPS=1 ${blocks}`],
  ['parking', 'NO_MONITOR', 'safety', `PUSHES=1 EVENTS=1 ${put}`],
  ['parking', 'RETIRE_BLINDLY', 'safety', `PUSHES=1 EVENTS=1 RETIRES=1 ${wake}`],
  ['parking', 'RETIRE_SEARCHING', 'safety', `PUSHES=1 EVENTS=1 RETIRES=1 ${wake}`],
  ['parking', 'DEAD_SEARCHER', 'safety', `PUSHES=1 EVENTS=0 DEATHS=1 ${wake}`],
  ['parking', 'NO_PUSH_AGAIN', 'safety', dies],
  ['parking', 'NO_REPLACE_POLL', 'safety', dies],
  ['timers', 'OWNER_JUDGES', 'safety', 'LAST=5 COARSE=1 MOVES=0'],
  ['timers', 'NO_STRETCH', 'safety', 'LAST=5 COARSE=1 MOVES=0'],
  ['timers', 'CURRENT_ENDS', 'safety', 'LAST=5 COARSE=1 MOVES=0'],
  ['timers', 'END_FIRST', 'safety', 'LAST=5 COARSE=1 MOVES=0'],
  ['timers', 'NO_MARK_AFTER', 'live', 'LAST=8 COARSE=1 EVENTS=0 MOVES=0'],
  ['timers', 'MARK_FIRST', 'safety', 'LAST=4 IDLE=4 FIRST=4 DELAY=1'],
  ['timers', 'TAKE_BACKWARDS', 'safety', 'LAST=4'],
  ['timers', 'REST_NO_LOOK', 'live', 'LAST=4 COARSE=1 MOVES=0'],
  ['timers', 'REST_LATE_SLEEP', 'safety', 'LAST=4 COARSE=1'],
  ['timers', 'TAKE_BY_STORE', 'safety', `${timer} RESETS=1 LAST=5`],
  ['timers', 'END_BY_STORE', 'safety', `${timer} RESETS=1 LAST=5`],
  ['timers', 'NO_MARK_ALL', 'safety', `${timer} RESETS=1 DEATHS=1 LAST=3 FIRST=4 DELAY=1`],
  ['timers', 'NEW_MONITOR_FORGETS', 'safety', 'LAST=4 COARSE=1 EVENTS=0 MOVES=0 MONITOR_DEATHS=1'],
  ['slot', 'NO_GENERATION', 'safety', ''],
  ['slot', 'READY_APART', 'safety', ''],
  ['slot', 'FINISH_FORGETS', 'safety', 'EDGE=1'],
  ['slot', 'MOD_AFTER_ARMED', 'safety', ''],
  ['slot', 'END_LATE', 'safety', ''],
  ['slot', 'FREE_BLIND', 'safety', ''],
];

// What the code is known not to do; the headers of the models tell. Take a line out when its gap is closed.
const gaps = [
  ['timers', 'GAP_RESET', 'safety', `${timer} RESETS=1 FORCES=1 REUSES=1 LAST=4`],
  ['slot', 'GAP_REASON', 'safety', 'DATA=1 DEATHS=1'],
  ['slot', 'GAP_LEAK', 'safety', 'DATA=1 DEATHS=1 STREAM=0'],
];

const large = [
  ['ring', 'three takers', 'bitstate', 'TAKERS=3'],
  ['ring', 'more pushes', 'bitstate', 'LAP_BITS=3 START=13 PUSHES=4'],
  ['ring', 'lock-free, two takers', 'progress', ''],
  ['parking', 'wake rule, three workers', 'bitstate', `WORKERS=3 PUSHES=2 EVENTS=1 ${wake}`],
  ['parking', 'put off, monitor, both', 'bitstate', `PUSHES=2 EVENTS=1 AGAIN=1 ${put}`],
  ['parking', 'put off, monitor, fine steps', 'bitstate', 'PUSHES=1 EVENTS=1 STUCK=1'],
  ['parking', 'blocking, monitor', 'safety', `BLOCKS=1 ${blocks}`],
  ['parking', 'blocking unsaid, monitor', 'live', `NAPS=1 ${blocks}`],
  ['parking', 'blocking and changes', 'bitstate', 'PUSHES=1 EVENTS=1 COARSE=1 BLOCKS=1 CHANGES=2 STUCK=1'],
  ['parking', 'deaths, request, fine steps', 'safety', `PUSHES=1 EVENTS=0 DEATHS=1 ${wake}`],
  ['parking', 'deaths, monitor', 'bitstate', 'PUSHES=1 EVENTS=1 DEATHS=1 COARSE=1'],
  ['parking', 'deaths, three workers', 'bitstate', `WORKERS=3 PUSHES=1 EVENTS=1 DEATHS=1 ${wake}`],
  ['timers', 'idle, deadline, longer', 'safety', 'LAST=5 COARSE=1'],
  ['timers', 'ends, two workers', 'bitstate', 'LAST=5 COARSE=1 WORKERS=2 FORCES=1 MOVES=0'],
  ['timers', 'deaths of the monitor', 'safety', 'LAST=4 COARSE=1 MONITOR_DEATHS=1 MOVES=0'],
  ['timers', 'timer, reuse', 'safety', `${timer} RESETS=1 FORCES=1 REUSES=1 LAST=4`],
  ['timers', 'timer, deaths', 'safety', `${timer} RESETS=1 DEATHS=1 LAST=3 FIRST=4 DELAY=1`],
  ['timers', 'timer, two workers, both reset', 'bitstate', `${timer} WORKERS=2 RESETS=2 MOVES=1 LAST=5`],
  ['slot', 'oneshot, deaths, more', 'bitstate', 'FILES=3 DATA=2 FORCES=2 DEATHS=2'],
  ['slot', 'edge, deaths, more', 'bitstate', 'EDGE=1 FILES=3 DATA=2 FORCES=2 DEATHS=2'],
  ['slot', 'edge, three workers', 'bitstate', 'EDGE=1 WORKERS=3 FILES=4 DATA=4 FORCES=3'],
];

function caseOf([model, name, mode, definitions], kind) {
  const all = definitions.split(' ').filter((definition) => definition !== '');
  if (kind === 'mutant') all.push(`MUTANT_${name}`);
  if (kind === 'gap') all.push(name);
  // Of two values of one name the last counts.
  const values = new Map(all.map((definition) => [definition.split('=')[0], definition]));
  return { model, name, mode, kind, definitions: [...values.values()] };
}

function run(command, args, cwd, limitMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    const hear = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error) => hear(error.message));
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ output, status, late });
    });
  });
}

async function search(folder, { model, mode, kind, definitions }, limitMs) {
  const { spin, gcc, pan } = modes[mode];
  const given = [...definitions, ...spin].map((definition) => `-D${definition}`);
  const made = await run('spin', [...given, '-a', join(models, `${model}.pml`)], folder, limitMs);
  if (made.status !== 0 || /\bError\b/.test(made.output)) return { broken: `spin: ${made.output.trim()}` };
  // A mutant fails at once: there the compiler is what takes time.
  const level = kind === 'model' ? '-O1' : '-O0';
  const flags = [level, '-w', `-DMEMLIM=${MEGABYTES}`, ...gcc];
  const compiled = await run('gcc', [...flags, '-o', 'pan', 'pan.c'], folder, limitMs);
  if (compiled.status !== 0) return { broken: `gcc: ${compiled.output.trim()}` };
  const { output, late } = await run(join(folder, 'pan'), ['-m2000000', ...pan], folder, limitMs);
  const errors = /errors: (\d+)/.exec(output);
  const why = /^pan:1: (.*?)(?: \(at depth.*)?$/m.exec(output)?.[1] ?? '';
  return {
    errors: Number(errors?.[1] ?? 0),
    states: Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0),
    seconds: /elapsed time ([\d.]+)/.exec(output)?.[1] ?? '?',
    why,
    complete:
      errors !== null && !late && !/Search not completed|search depth too small|out of memory/i.test(output),
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
  const named = ['ring', 'parking', 'slot', 'timers'].flatMap((model) => {
    const text = readFileSync(join(models, `${model}.pml`), 'utf8');
    return [...text.matchAll(/^#.*\b((?:MUTANT|GAP)_\w+)/gm)].map((match) => match[1]);
  });
  return [...new Set(named)].filter((name) => !used.has(name));
}

const missing = missingPackages();
if (missing.length > 0) {
  process.stderr.write(
    `model: needs Debian packages that are not here: ${missing.join(' ')}\n` +
      `model: apt-get install ${missing.join(' ')}\n`,
  );
  process.exit(1);
}

const words = process.argv.slice(2);
const isSmall = words.includes('--small');
const wanted = words.filter((word) => word !== '--small');
const started = performance.now();

const all = [
  ...small.map((line) => caseOf(line, 'model')),
  ...(isSmall ? [] : large.map((line) => caseOf(line, 'model'))),
  ...mutants.map((line) => caseOf(line, 'mutant')),
  ...gaps.map((line) => caseOf(line, 'gap')),
];
const chosen = all.filter(
  ({ model, name }) => wanted.length === 0 || wanted.some((word) => `${model}: ${name}`.includes(word)),
);
const limitMs = isSmall ? SMALL_LIMIT_MS : (LARGE_MINUTES + 1) * 60_000;

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
