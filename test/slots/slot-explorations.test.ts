/**
 * A slot under all schedules of those who touch it, in both delivery modes: one handler at a time (G1), no event lost
 * (G2), nothing after the end and one end (G3), no system call reaches a later file of the same number (G4), one live
 * hint (G5), whoever vanishes (G9). Scenarios 11, 17, 18, 20, 22, 25-30, 34, 36, 37, 71, 103, 105.
 */
import { describe, test } from 'vitest';
import { expectHolds } from '../explorer/explore.ts';
import { slotProgram, type SlotPlay } from './slot-program.ts';

const MODES = ['edge', 'oneshot'] as const;
/** Generations whose successor wraps the 13 bits of the word. */
const LAST_OF_WORD = 0x1fff;

describe.each(MODES)('a slot in mode %s', (mode) => {
  const holds = (play: Omit<SlotPlay, 'mode'>): void =>
    void expectHolds(slotProgram({ ring: 'atomic', mode, ...play }));

  test('loses no data that arrives at any moment of a turn, and runs one turn at a time', () => {
    holds({ workers: [2, 2], polls: 3, sends: [1, 1, 1] });
  });

  test('does so with hints in the real ring', () => {
    holds({ ring: 'real', workers: [1, 1], polls: 2, sends: [1, 1] });
    holds({ ring: 'real', workers: [1, 1], polls: 1, sends: [1], forcers: 1, preemptions: 3 });
    holds({
      ring: 'real',
      workers: [1, 1],
      polls: 2,
      sends: [1, 2],
      forcers: 1,
      registers: 1,
      preemptions: 2,
    });
  });

  test('ends once when one or two threads force it, whatever else goes on', () => {
    holds({ workers: [1, 1], polls: 1, sends: [1], forcers: 1 });
    holds({ workers: [1, 1], polls: 1, sends: [1], forcers: 2, preemptions: 4 });
  });

  test('reaches no later file of its number when the kernel gives that to a registrar during the close', () => {
    holds({ workers: [1], polls: 2, sends: [1, 2], forcers: 1, registers: 1 });
    holds({ workers: [2, 1], polls: 2, sends: [1, 2], forcers: 1, registers: 2, preemptions: 3 });
  });

  test('does so when the generation in the word wraps', () => {
    holds({
      firstGeneration: LAST_OF_WORD,
      workers: [1],
      polls: 2,
      sends: [1, 2],
      forcers: 1,
      registers: 1,
    });
  });

  test('is silent after a disable and tests the condition anew after an enable', () => {
    holds({ workers: [1, 1], polls: 2, sends: [1], controls: ['disable'] });
    holds({ workers: [1, 1], polls: 2, sends: [1, 1], controls: ['disable', 'enable'], preemptions: 4 });
  });

  test('ends once when it is forced while it is disabled and enabled', () => {
    holds({
      workers: [1, 1],
      polls: 1,
      sends: [1],
      controls: ['disable', 'enable'],
      forcers: 1,
      preemptions: 3,
    });
  });

  test('survives a worker that vanishes anywhere, also between its close and the free', () => {
    holds({
      workers: [1, 1],
      polls: 1,
      sends: [1],
      forcers: 1,
      registers: 1,
      mortal: 'workers',
      preemptions: 2,
    });
    holds({
      workers: [1],
      polls: 2,
      sends: [1],
      forcers: 1,
      registers: 2,
      mortal: 'workers',
      preemptions: 3,
    });
  });

  test('survives a poller that vanishes with an event in its hands', () => {
    holds({ workers: [1], polls: 2, sends: [1, 1], mortal: 'poller' });
    holds({ workers: [1], polls: 2, sends: [1], forcers: 1, registers: 1, mortal: 'poller', preemptions: 3 });
  });

  test('survives a thread that vanishes between its request and its hint', () => {
    holds({ workers: [1], polls: 1, sends: [1, 1], forcers: 1, mortal: 'forcer', preemptions: 4 });
  });

  test('does all this with plain reads that see old values', () => {
    holds({ workers: [1, 1], polls: 2, sends: [1, 1], preemptions: 3, weak: true });
    holds({ workers: [1], polls: 1, sends: [1], forcers: 1, registers: 1, preemptions: 2, weak: true });
    holds({
      workers: [1, 1],
      polls: 1,
      sends: [],
      controls: ['disable', 'enable'],
      preemptions: 3,
      weak: true,
    });
    holds({ workers: [1], polls: 1, sends: [1], forcers: 1, mortal: 'workers', preemptions: 1, weak: true });
  });
});
