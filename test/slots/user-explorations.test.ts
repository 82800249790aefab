/**
 * What is posted to a slot under all schedules of those who touch it: each post is taken exactly once, by a handler of its
 * own generation, or told to be lost with its taker; none waits without a turn to come; and the mark of a claim ends with
 * it. Scenarios 58, 59, 71, 107, 108.
 */
import { describe, test } from 'vitest';
import { Merge } from '../../src/slots/user.ts';
import { expectHolds } from '../explorer/explore.ts';
import { userProgram, type UserPlay } from './user-program.ts';

/** Generations whose successor wraps the seven bits of the user word, and the 13 of the slot's word. */
const LAST_OF_TAG = 0x7f;
const LAST_OF_WORD = 0x1fff;

// By 'or' nothing happens that 'add' does not do: their difference is merged(), and user.test.ts has it.
describe.each([
  ['add', Merge.ADD],
  ['last', Merge.LAST],
  ['count', Merge.COUNT],
] as const)('an event that merges by %s', (_name, merge) => {
  const holds = (play: Omit<UserPlay, 'merge' | 'kind'>): void =>
    void expectHolds(userProgram({ kind: 'event', merge, ...play }));

  test('delivers what two threads post at any moment of a turn', () => {
    holds({ workers: [2, 2], posters: [2, 1], preemptions: 3 });
  });

  test('hands what was not delivered to the last delivery, and nothing is posted after it', () => {
    holds({ workers: [2], posters: [1, 1], forcers: 1, preemptions: 4 });
    holds({ workers: [1, 1], posters: [2], forcers: 1, preemptions: 4 });
  });

  test.each([0, LAST_OF_TAG, LAST_OF_WORD, -1])(
    'keeps apart two uses of its slot, from generation %i on',
    (firstGeneration) => {
      holds({ firstGeneration, workers: [2], posters: [1, 2], forcers: 1, registers: 2, preemptions: 2 });
    },
  );

  test('keeps what is posted while it is disabled', () => {
    holds({ workers: [1, 1], posters: [1, 1], controls: ['disable', 'enable'], preemptions: 2 });
  });

  test('loses with a worker that vanishes only what that one had taken, and tells it', () => {
    holds({ workers: [2, 1], posters: [1, 1], mortal: 'workers', preemptions: 2 });
  });

  test('does so when it vanishes in the last turn', () => {
    holds({ workers: [1, 1], posters: [2], forcers: 1, registers: 1, mortal: 'workers', preemptions: 2 });
  });

  test('delivers what a thread has posted that vanished before it asked for a turn', () => {
    holds({ workers: [1, 1], posters: [2, 1], mortal: 'posters', preemptions: 2 });
  });

  test('does all this with plain reads that see old values', () => {
    holds({ workers: [1, 1], posters: [1, 1], preemptions: 2, weak: true });
    holds({ workers: [1], posters: [2], forcers: 1, registers: 1, preemptions: 2, weak: true });
  });
});

describe('an event that counts, with several units in a turn', () => {
  const holds = (play: Omit<UserPlay, 'merge' | 'kind' | 'more'>): void =>
    void expectHolds(userProgram({ kind: 'event', merge: Merge.COUNT, more: 2, ...play }));

  test('delivers each post once, before or with the last delivery', () => {
    holds({ workers: [2, 1], posters: [2, 1], preemptions: 2 });
    holds({ workers: [2], posters: [2, 1], forcers: 1, registers: 1, preemptions: 2 });
    holds({ workers: [1, 1], posters: [2], controls: ['disable', 'enable'], preemptions: 2 });
  });

  test('loses with a worker that vanishes the one unit that it had begun, and tells it', () => {
    holds({ workers: [1, 1], posters: [2, 1], mortal: 'workers', preemptions: 2 });
    holds({ workers: [1, 1], posters: [2], forcers: 1, mortal: 'workers', preemptions: 2 });
    holds({
      workers: [1, 1],
      posters: [2],
      controls: ['disable', 'enable'],
      mortal: 'workers',
      preemptions: 2,
    });
  });

  test('does all this while handlers are async, and their workers deliver units of another event', () => {
    holds({ workers: [2, 1], posters: [2, 1], async: true, preemptions: 2 });
    holds({ workers: [1, 1], posters: [3], async: true, mortal: 'workers', preemptions: 2 });
    holds({
      workers: [2],
      posters: [2],
      forcers: 1,
      registers: 1,
      async: true,
      mortal: 'workers',
      preemptions: 2,
    });
  });

  test('does all this with plain reads that see old values', () => {
    holds({ workers: [1, 1], posters: [2, 1], preemptions: 2, weak: true });
    holds({ workers: [1, 1], posters: [2], mortal: 'workers', preemptions: 1, weak: true });
  });
});

describe('posted items', () => {
  const holds = (play: Omit<UserPlay, 'merge' | 'kind'>): void =>
    void expectHolds(userProgram({ kind: 'item', merge: Merge.OR, ...play }));

  test('are handled once each, in one slot after the other', () => {
    holds({ workers: [2, 2], registers: 3 });
  });

  test('are handled once each, or lost with the worker that had taken one', () => {
    holds({ workers: [2, 1], registers: 2, mortal: 'workers' });
  });

  test('are handled once each if they were queued before their poster vanished', () => {
    holds({ workers: [1, 1], registers: 2, mortal: 'registrar' });
  });
});
