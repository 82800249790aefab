/** README: its examples run and print what it says, and its lists are those of the code. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as Locks from 'wakeone/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERROR_TABLE } from '../src/errors.ts';
import { Pool } from '../src/pool.ts';
import { AttachedPool } from '../src/sources/attached.ts';
import { Connection } from '../src/sources/connection.ts';
import { FdEvent } from '../src/sources/fd-event.ts';
import { Group } from '../src/sources/group.ts';
import { Registration } from '../src/sources/registration.ts';
import { Server } from '../src/sources/server.ts';
import { Timer } from '../src/sources/timer.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const run = promisify(execFile);

/** A fenced block: its language, its text, the line on which it begins. */
type Block = { readonly language: string; readonly text: string; readonly line: number };

const blocks: Block[] = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
  language: match[1] ?? '',
  text: match[2] ?? '',
  line: readme.slice(0, match.index).split('\n').length,
}));

const nameOf = (block: Block): string => /^\/\/ ([\w-]+\.mjs)/.exec(block.text)?.[1] ?? '';

/** Programs: the js block before each output. */
const programs = blocks.flatMap((block, i) => {
  const program = blocks[i - 1];
  return block.language === 'text' && program !== undefined
    ? [{ name: nameOf(program), output: block.text }]
    : [];
});

describe('the examples', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'wakeone-readme-'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules', 'wakeone'));
    for (const block of blocks.filter(({ language }) => language === 'js'))
      writeFileSync(join(folder, nameOf(block)), block.text);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('each says which file it is, and some say what they print', () => {
    for (const block of blocks) if (block.language === 'js') expect(nameOf(block)).not.toBe('');
    expect(programs.map(({ name }) => name)).toEqual([
      'main.mjs',
      'room-main.mjs',
      'joined-main.mjs',
      'frames-main.mjs',
      'numbered-main.mjs',
      'watch-main.mjs',
      'hits-main.mjs',
    ]);
  });

  test.each(programs)('$name prints what is said', async ({ name, output }) => {
    const { stdout, stderr } = await run(process.execPath, [join(folder, name)], { timeout: 20_000 });
    expect({ stdout, stderr }).toEqual({ stdout: output, stderr: '' });
  });

  test('the first one is short, and its output is seen before line 40', () => {
    const first = blocks.findIndex(({ language }) => language === 'text');
    expect(blocks[first]?.line).toBeLessThan(40);
    const lines = blocks.slice(0, first).flatMap(({ text }) => text.trimEnd().split('\n'));
    expect(lines.filter((line) => !line.startsWith('//')).length).toBeLessThanOrEqual(15);
  });
});

describe('the lists', () => {
  test('the table of errors is ERROR_TABLE', () => {
    const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| (\w+) \| (.*) \|$/gm)].map((match) =>
      match.slice(1, 4),
    );
    const expected = Object.entries(ERROR_TABLE).map(([code, { base, message }]) => {
      // Messages are shown with the names of their parameters in braces.
      const names = /^\(?([^)=]*)\)?\s*=>/.exec(message.toString())?.[1]?.split(',') ?? [];
      return [code, base, message(...names.map((name) => `{${name.trim()}}`))];
    });
    expect(rows).toEqual(expected);
  });

  /** Names of the properties of an exported type, as its source declares them. */
  function optionsOf(file: string, type: string): string[] {
    const source = readFileSync(join(root, 'src', file), 'utf8');
    const body = new RegExp(`export type ${type} = \\{\n(.*?)^\\};`, 'ms').exec(source)?.[1] ?? '';
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map((match) => match[1] ?? '');
  }

  const section = (title: string): string => {
    const from = readme.indexOf(`\n### ${title}`);
    const to = readme.slice(from + 1).search(/^##/m) < 0 ? readme.length : readme.indexOf('\n##', from + 5);
    expect(from).toBeGreaterThan(0);
    return readme.slice(from, to);
  };

  test('the table of createPool’s options has all of them, and no others', () => {
    const rows = [...section('`createPool').matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1] ?? '');
    expect(rows.toSorted()).toEqual(optionsOf('options.ts', 'PoolOptions').toSorted());
  });

  test.each([
    ['AddOptions', 'sources/add.ts'],
    ['ListenOptions', 'sources/listen.ts'],
    ['ConnectOptions', 'sources/connect.ts'],
    ['TimerOptions', 'sources/timer.ts'],
    ['CloseOptions', 'pool.ts'],
    ['PoolEvents', 'pool.ts'],
    ['PoolStats', 'observe/snapshot.ts'],
    ['WorkerStats', 'observe/snapshot.ts'],
  ])('each property of %s is explained', (type, file) => {
    const names = optionsOf(file, type);
    expect(names.length).toBeGreaterThan(0);
    const text = section('`Pool`');
    expect(names.filter((name) => !new RegExp(`\`(?:\\w+\\(\\{ )?${name}\\b`).test(text))).toEqual([]);
  });

  test.each([
    ['Pool', Pool, ['constructor', 'start']],
    ['Registration', Registration, ['constructor', 'force', 'isOf']],
    ['Group', Group, ['constructor', 'refFor']],
    ['Server', Server, ['constructor', 'removePath']],
    ['Connection', Connection, ['constructor']],
    ['FdEvent', FdEvent, ['constructor']],
    ['Timer', Timer, ['constructor']],
    ['AttachedPool', AttachedPool, ['constructor']],
  ] as const)('each member of %s is explained', (name, { prototype }, internal) => {
    const text = section(`\`${name}\``);
    const members = Object.getOwnPropertyNames(prototype).filter(
      (member) => !internal.includes(member as never),
    );
    expect(
      members.filter((member) => !text.includes(`\`${member}\``) && !text.includes(`\`${member}(`)),
    ).toEqual([]);
  });

  test.each(Object.entries(Locks).filter(([, value]) => 'prototype' in value && value !== Locks.threadDied))(
    'each member of %s is explained',
    (name, value) => {
      const text = section('`wakeone/sync`');
      // What all locks have, and what is for them alone.
      const common = [value.prototype, Object.getPrototypeOf(value.prototype) as object];
      const internal = ['constructor', 'wait', 'steps', 'giveUp'];
      const members = common
        .filter((prototype) => prototype !== Object.prototype)
        .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
        .filter((member) => !internal.includes(member) || name === 'Barrier' || name === 'Condition')
        .filter((member) => member !== 'constructor');
      expect(text).toContain(`\`new ${name}(`);
      expect(
        members.filter((member) => !text.includes(`\`${member}\``) && !text.includes(`\`${member}(`)),
      ).toEqual([]);
    },
  );

  test('each reason for a close is told', () => {
    const source = readFileSync(join(root, 'src/sources/reason.ts'), 'utf8');
    const reasons = [...source.matchAll(/readonly type: '([\w-]+)'/g)].map((match) => match[1] ?? '');
    expect(reasons.length).toBeGreaterThan(5);
    const text = section('`Connection`');
    expect(reasons.filter((reason) => !text.includes(`\`${reason}\``))).toEqual([]);
  });

  test('each command is there', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const match of readme.matchAll(/npm (?:run )?(start|test|stress|bench|model)\b/g))
      expect(scripts).toHaveProperty(match[1] ?? '');
  });

  test('each section that is linked is there', () => {
    const headings = [...readme.matchAll(/^#+ (.*)$/gm)].map(
      (match) => `#${match[1]?.toLowerCase().replaceAll(' ', '-')}`,
    );
    for (const [, link] of readme.matchAll(/\]\((#[^)]+)\)/g)) expect(headings).toContain(link);
  });

  test('each file that is linked or named is there', () => {
    const linked = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map((match) => match[1] ?? '');
    const named = [...readme.matchAll(/`((?:src|bench|test)\/[\w./-]+)`/g)].map((match) => match[1] ?? '');
    expect(linked.length + named.length).toBeGreaterThan(1);
    for (const path of [...linked, ...named]) expect(() => readFileSync(join(root, path))).not.toThrow();
  });
});
