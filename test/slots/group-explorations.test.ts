/**
 * A group and two slots under all schedules of those who touch them: one handler of the group at a time, and one of each slot;
 * no event and no member is forgotten; who was ready first has its turn first. Scenarios 44, 45, 46, 48.
 */
import { describe, test } from 'vitest';
import { expectHolds } from '../explorer/explore.ts';
import { groupProgram, type GroupPlay } from './group-program.ts';

const holds = (play: GroupPlay): void => void expectHolds(groupProgram(play));

describe('two members', () => {
  test('of two threads that push to them, and of one turn a turn of the group', () => {
    holds({ members: [0, 1], workers: [2, 2], pushers: [[0], [1]], preemptions: 2 });
    holds({ members: [0, 1], workers: [2, 2], pushers: [[0, 1, 0]], budget: 1, preemptions: 2 });
  });

  test('have their turns in the order of their events', () => {
    holds({ members: [0, 1], workers: [2, 2], pushers: [['both']], preemptions: 3 });
    holds({ members: [0, 1], workers: [1, 1], pushers: [['both']], budget: 1, preemptions: 3 });
  });

  test('one of which is torn down', () => {
    holds({ members: [0, 1], workers: [2, 1], pushers: [[0, 1]], forces: [0], preemptions: 2 });
  });

  test('one of which a vanished worker had', () => {
    holds({ members: [0, 1], workers: [1, 2], pushers: [[0, 1]], mortal: true, preemptions: 1 });
    holds({ members: [0, 1], workers: [1, 1], pushers: [[1]], forces: [0], mortal: true, preemptions: 1 });
  });
});

describe('a slot that', () => {
  test('joins while it is pushed to, and the member has its turn', () => {
    holds({ members: [0], workers: [2, 1], pushers: [[1, 0]], adds: [1], preemptions: 2 });
    holds({ members: [0], workers: [1, 1], pushers: [[1], [1]], adds: [1], preemptions: 2 });
  });

  test('joins in a turn of its own', () => {
    holds({ members: [0], workers: [2, 2], pushers: [[1, 1], [0]], joins: 1, preemptions: 2 });
  });

  test('leaves while it is pushed to, and the other one has its turn', () => {
    holds({ members: [0, 1], workers: [2, 1], pushers: [[1, 0]], removes: [1], preemptions: 2 });
  });

  test('joins while the member leaves', () => {
    holds({ members: [0], workers: [1, 1], pushers: [[1, 0]], adds: [1], removes: [0], preemptions: 1 });
    holds({ members: [0], workers: [2], pushers: [[1]], adds: [1], removes: [0], tries: 1, preemptions: 2 });
  });

  test('joins in its own turn, in a worker that vanishes', () => {
    holds({ members: [0], workers: [1, 1], pushers: [[1, 0]], joins: 1, mortal: true, preemptions: 1 });
  });

  test('leaves beside a worker that vanishes', () => {
    holds({
      members: [0, 1],
      workers: [1, 1],
      pushers: [[1]],
      forces: [0],
      removes: [1],
      mortal: true,
      preemptions: 1,
    });
  });
});

test('all this with plain reads that see old values', () => {
  holds({ members: [0, 1], workers: [1, 1], pushers: [['both']], preemptions: 2, weak: true });
  holds({ members: [0], workers: [1, 1], pushers: [[1]], adds: [1], preemptions: 2, weak: true });
  holds({ members: [0, 1], workers: [1, 1], pushers: [[1]], removes: [1], preemptions: 2, weak: true });
});
