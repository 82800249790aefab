/**
 * The counts of registrations and connections, when those who count vanish at any port call: a slot that ends is counted
 * out once (G9). Scenarios 103, 109.
 */
import { describe, expect, test } from 'vitest';
import { Census } from '../../src/slots/census.ts';
import { Layout, SlotWord, Word } from '../../src/slots/layout.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { expectHolds } from '../explorer/explore.ts';
import type { Program } from '../explorer/program.ts';

const layout = new Layout(4, 8);
const LISTENER = { index: 0, generation: 5 };
/** A connection that is there all the time, and the one whose owner vanishes. */
const OTHER = 1;
const SLOT = 2;
/** Words of the test's own, in place of those of the slots' records: a count, and who is a connection. */
const CONNECTIONS = layout.length;
const PARENT = layout.length + 1;

function censusOf(port: Port): Census {
  return new Census(port, layout, {
    parent: (index) => (port.load(PARENT + index) === 0 ? undefined : LISTENER.index),
    parentGeneration: () => LISTENER.generation,
    joinParent: (index) => {
      port.store(PARENT + index, 1);
      port.add(CONNECTIONS, 1);
    },
    leaveParent: () => {
      port.add(CONNECTIONS, -1);
      return false;
    },
    connections: () => port.load(CONNECTIONS),
  });
}

function begin(port: Port): void {
  const census = censusOf(port);
  census.enter(LISTENER.index);
  census.enter(OTHER, LISTENER);
}

const dies = (live: (census: Census) => void): Program => ({
  threads: [
    {
      name: 'owner',
      mortal: true,
      body: (port) => {
        live(censusOf(port));
        return undefined;
      },
    },
    {
      name: 'reaper',
      reaps: 'owner',
      body: (port) => {
        // The slot of a dead owner ends, by the supervisor or in a last turn.
        const census = censusOf(port);
        census.repair(SLOT);
        census.leave(SLOT);
        return undefined;
      },
    },
  ],
  vanishings: 1,
  setup: begin,
  end: (view) => {
    const lives =
      view.status('owner') === 'done' && view.port.load(layout.slot(SLOT) + SlotWord.CENSUS) !== 0;
    expect(view.word(Word.REGISTERED)).toBe(lives ? 3 : 2);
    expect(view.word(CONNECTIONS)).toBe(lives ? 2 : 1);
  },
});

describe('whoever vanishes', () => {
  test('while it counts a connection in', () => {
    expectHolds(dies((census) => void census.enter(SLOT, LISTENER)));
  });

  test('while it counts one out, or after it', () => {
    expectHolds(
      dies((census) => {
        census.enter(SLOT, LISTENER);
        census.leave(SLOT);
      }),
    );
  });

  test('while it counts what is no connection', () => {
    expectHolds(
      dies((census) => {
        census.enter(SLOT);
        census.leave(SLOT);
      }),
    );
  });
});

test('the first and the last are told, and nobody leaves twice', () => {
  const census = censusOf(new AtomicsPort(new Int32Array(layout.length + 16)));
  expect(census.leave(SLOT)).toEqual({ last: false, starved: false });
  expect(census.enter(SLOT)).toBe(true);
  expect(census.enter(OTHER)).toBe(false);
  census.repair(SLOT);
  expect(census.registered).toBe(2);
  expect(census.leave(SLOT).last).toBe(false);
  expect(census.leave(SLOT).last).toBe(false);
  expect(census.leave(OTHER).last).toBe(true);
  expect(census.registered).toBe(0);
});
