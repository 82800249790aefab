/**
 * Every decision about a slot word, on every word: 8 states (two of them invalid) x 64 ready sets x 16 flag sets x 64
 * owners x generations around 0, the sign bit and the wrap. W1-W5 of src/slots/word.ts. Scenarios 14, 20, 23, 29, 37, 97.
 */
import { describe, expect, test } from 'vitest';
import * as Word from '../../src/slots/word.ts';
import { type Decision, type Fields, pack, unpack } from './word-oracle.ts';
import * as Oracle from './word-oracle.ts';

const { State, Flag } = Word;
const GENERATIONS = [0, 1, 0x0fff, 0x1000, 0x1ffe, 0x1fff];
const ME = 1;
const LAST_OWNER = 63;
/** The word carries 13 bits of a generation that has 32. */
const LAP = 0x2000;

/** Visits every word; `visit` says what is wrong with it, if anything. */
function everyWord(visit: (word: number, fields: Fields) => string | undefined): void {
  for (const generation of GENERATIONS) {
    for (let low = 0; low < 1 << 19; low++) {
      const word = (generation << 19) | low;
      const wrong = visit(word, unpack(word));
      if (wrong !== undefined) expect.fail(`${JSON.stringify(unpack(word))}: ${wrong}`);
    }
  }
}

/** Compares a decision with the oracle's on every word, for each list of arguments, made from its generation and owner. */
function agrees<Args extends readonly unknown[]>(
  decide: (word: number, ...args: Args) => number,
  oracle: Decision<Args>,
  argsOf: (generation: number, owner: number) => readonly Args[],
): void {
  let lists: readonly Args[] = [];
  let madeFor = -1;
  everyWord((word, fields) => {
    if (madeFor !== word >>> 13) {
      madeFor = word >>> 13;
      lists = argsOf(fields.generation, fields.owner);
    }
    for (const args of lists) {
      const next = decide(word, ...args);
      const right = oracle(fields, ...args);
      if (right === undefined ? next === word : next === pack(right)) continue;
      return `${JSON.stringify(args)} gives ${JSON.stringify(unpack(next))}, not ${JSON.stringify(right)}`;
    }
    return undefined;
  });
}

const owners = (owner: number): readonly number[] => [ME, LAST_OWNER, owner];

describe('packing', () => {
  test('gives back what was packed, for every word', () => {
    everyWord((word, { generation, owner, flags, ready, state }) => {
      if (Word.pack(generation, owner, flags, ready, state as Word.State) !== word) return 'pack';
      if (Word.stateOf(word) !== state || Word.readyOf(word) !== ready || Word.flagsOf(word) !== flags)
        return 'a field';
      if (Word.ownerOf(word) !== owner || Word.generationOf(word) !== generation)
        return 'owner or generation';
      if (!Word.isGeneration(word, generation + LAP) || Word.isGeneration(word, generation + 1))
        return 'isGeneration';
      return undefined;
    });
  });
});

describe('each decision does, on every word, what the table of the design says', () => {
  test('register', () => agrees(Word.register, Oracle.register, () => [[ME], [LAST_OWNER]]));

  test('deliver', () =>
    agrees(Word.deliver, Oracle.deliver, (generation) => [
      [generation, 1],
      [generation + LAP * 5, 0x24],
      [generation + 1, 63],
      [generation - 1, 1],
    ]));

  test('claim', () => agrees(Word.claim, Oracle.claim, () => [[ME], [LAST_OWNER]]));

  test('finish', () =>
    agrees(Word.finish, Oracle.finish, (_generation, owner) => [
      [owner, 0, 63, false],
      [owner, 1, 1, false],
      [owner, 5, 2, false],
      [owner, 1, 63, true],
      [ME, 0, 0, false],
      [LAST_OWNER, 0, 0, true],
    ]));

  test('request', () =>
    agrees(Word.request, Oracle.request, (generation) => [
      [generation, Flag.FORCED],
      [generation, Flag.TIMER | Flag.USER],
      [generation + LAP * 5, Flag.CONTROL],
      [generation + 1, Flag.FORCED],
      [generation - 1, Flag.CONTROL],
    ]));

  test('close', () =>
    agrees(Word.close, Oracle.close, (_generation, owner) => owners(owner).map((me) => [me])));
  test('free', () => agrees(Word.free, Oracle.free, (_generation, owner) => owners(owner).map((me) => [me])));
  test('takeOver', () => agrees(Word.takeOver, Oracle.takeOver, () => [[ME], [LAST_OWNER]]));
  test('reap', () =>
    agrees(Word.reap, Oracle.reap, (_generation, owner) => owners(owner).map((dead) => [dead, LAST_OWNER])));
});

describe('from every well-formed word', () => {
  /** All decisions with the arguments that can change this word. */
  const successors = (
    word: number,
    { generation, owner, ready }: Fields,
  ): readonly (readonly [string, number])[] => [
    ['register', Word.register(word, ME)],
    ['deliver', Word.deliver(word, generation, 1)],
    ['deliver', Word.deliver(word, generation, 63)],
    ['claim', Word.claim(word, ME)],
    ['finish', Word.finish(word, owner, 0, 63, false)],
    ['finish', Word.finish(word, owner, 1, 0, false)],
    ['finish', Word.finish(word, owner, 0, 63, true)],
    ['request', Word.request(word, generation, Flag.FORCED)],
    ['request', Word.request(word, generation, Flag.CONTROL)],
    ['close', Word.close(word, owner)],
    ['free', Word.free(word, owner)],
    ['takeOver', Word.takeOver(word, ME)],
    ['reap', Word.reap(word, owner, LAST_OWNER)],
    ['deliver', Word.deliver(word, generation, ready)],
  ];

  const check = (rule: (name: string, from: Fields, to: Fields) => boolean): void =>
    everyWord((word, fields) => {
      if (!Oracle.isWellFormed(fields)) return undefined;
      for (const [name, next] of successors(word, fields)) {
        if (next !== word && !rule(name, fields, unpack(next)))
          return `${name} gives ${JSON.stringify(unpack(next))}`;
      }
      return undefined;
    });

  test('W1: the next word is well-formed, so it has an owner exactly if it is active or closing', () =>
    check((_name, _from, to) => Oracle.isWellFormed(to)));

  test('W2: only claim leaves QUEUED', () =>
    check((name, from, to) => from.state !== State.QUEUED || to.state === State.QUEUED || name === 'claim'));

  test('W3: only claim and close clear ready bits', () =>
    check((name, from, to) => (from.ready & ~to.ready) === 0 || name === 'claim' || name === 'close'));

  test('a flag is cleared only by claim and close, so it always gets its turn', () =>
    check((name, from, to) => (from.flags & ~to.flags) === 0 || name === 'claim' || name === 'close'));

  test('W5: a closing or free word changes only by its owner, a registrar or the supervisor', () =>
    check((name, from) => {
      if (from.state === State.CLOSING) return name === 'free' || name === 'takeOver' || name === 'reap';
      return from.state !== State.FREE || name === 'register';
    }));

  test('the generation changes by one at free and takeOver, and at nothing else', () =>
    check((name, from, to) => {
      const step = name === 'free' || name === 'takeOver' ? 1 : 0;
      return to.generation === ((from.generation + step) & Word.WORD_GENERATION_MASK);
    }));

  test('a hint is owed exactly if the word enters QUEUED', () =>
    check((_name, from, to) => {
      const enters = from.state !== State.QUEUED && to.state === State.QUEUED;
      return Word.entersQueue(pack(from), pack(to)) === enters;
    }));
});
