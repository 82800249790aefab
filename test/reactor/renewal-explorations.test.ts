/**
 * The epoll set is replaced under all schedules of those who use it: no event lost (G2), no file taken for lost, none left
 * open, and each slot is in the new set in the end. Scenario 43.
 */
import { describe, test } from 'vitest';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { type Mistake, type RenewalCase, renewalProgram } from './renewal-world.ts';

describe.each(['edge', 'oneshot'] as const)('a slot in mode %s', (mode) => {
  const holds = (renewal: Omit<RenewalCase, 'mode'>): void =>
    void expectHolds(renewalProgram({ mode, ...renewal }));

  test('loses nothing while the set is replaced, whatever it does', () => {
    holds({ workers: [2], polls: 2, sends: 1, looks: 3, preemptions: 3 });
    holds({ workers: [1, 1], polls: 1, sends: 1, looks: 3, preemptions: 2 });
  });

  test('that is registered meanwhile is in the new set', () => {
    holds({ workers: [1], polls: 1, sends: 1, looks: 3, vacant: true, preemptions: 3 });
  });

  test('that ends meanwhile, and whose number comes again, knows its files', () => {
    holds({ workers: [2], polls: 1, sends: 1, looks: 3, forced: true, preemptions: 2 });
    holds({ workers: [2], polls: 1, sends: 0, looks: 3, forced: true, registers: true, preemptions: 2 });
  });

  test('follows twice', () => {
    holds({ workers: [2], polls: 1, sends: 1, looks: 6, renewals: 2, preemptions: 2 });
    holds({ workers: [2], polls: 1, sends: 0, looks: 6, renewals: 2, vacant: true, preemptions: 2 });
  });
});

describe('is found:', () => {
  const cases: [Mistake, RegExp, RenewalCase][] = [
    [
      'the epoch comes first',
      /heard|lost|behind/u,
      { mode: 'edge', workers: [1], polls: 1, sends: 1, looks: 3, vacant: true },
    ],
    [
      'who registers looks once',
      /heard|lost|behind/u,
      { mode: 'edge', workers: [2], polls: 1, sends: 0, looks: 6, renewals: 2, vacant: true },
    ],
    ['the former set ends too early', /lost/u, { mode: 'edge', workers: [2], polls: 1, sends: 1, looks: 3 }],
    [
      'a re-arm asks the new set only',
      /lost/u,
      { mode: 'oneshot', workers: [2], polls: 1, sends: 1, looks: 3 },
    ],
    [
      'active slots are taken for moved',
      /heard|lost|behind/u,
      { mode: 'edge', workers: [2], polls: 1, sends: 1, looks: 3 },
    ],
    [
      'the end asks the new set only',
      /know/u,
      { mode: 'edge', workers: [2], polls: 1, sends: 0, looks: 3, forced: true },
    ],
  ];
  test.each(cases)('%s', (mistake, message, renewal) => {
    expectFails(renewalProgram({ ...renewal, mistake }), message);
  });
});
