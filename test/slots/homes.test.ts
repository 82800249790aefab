/** Homes: the worker with the fewest that is there, and counts that are never too low. Scenario 71 for the counts alone. */
import { beforeEach, expect, test } from 'vitest';
import { WorkerWord } from '../../src/slots/layout.ts';
import { HOME_GONE, HOME_OF_EACH, homeOf, homeTrait, isWorker, NO_HOME } from '../../src/slots/record.ts';
import { type FakePool, makeFakePool } from '../fake-pool.ts';

let pool: FakePool;

const open = (...workers: readonly number[]): void => {
  for (const worker of workers) pool.dispatcher.mail.boxes.open(worker);
};
const counts = (): number[] => [0, 1, 2].map((worker) => pool.memory.homes.countOf(worker));

beforeEach(() => {
  pool = makeFakePool({ threads: 3 });
});

test('a slot has no home until it is given one', () => {
  expect([0, 1, 63].map((slot) => pool.memory.homes.of(slot))).toEqual([NO_HOME, NO_HOME, NO_HOME]);
  expect(pool.memory.homes.settle(0)).toBe(false);
  expect(pool.memory.homes.of(0)).toBe(NO_HOME);
});

test('slots are spread over the workers that are there', () => {
  open(0, 2);
  for (let slot = 0; slot < 4; slot++) expect(pool.memory.homes.settle(slot)).toBe(true);
  expect([0, 1, 2, 3].map((slot) => pool.memory.homes.of(slot))).toEqual([0, 2, 0, 2]);
  open(1);
  pool.memory.homes.settle(4);
  expect(pool.memory.homes.of(4)).toBe(1);
  expect(counts()).toEqual([2, 1, 2]);
});

test('the end of a slot is counted once, whoever ends it first', () => {
  open(0, 1);
  const { homes } = pool.memory;
  for (let slot = 0; slot < 4; slot++) homes.settle(slot);
  homes.leave(0);
  homes.leave(0);
  expect(homes.evict(0)).toBe(false);
  expect(counts()).toEqual([1, 2, 0]);
  expect([homes.evict(1), homes.evict(1)]).toEqual([true, false]);
  expect(homes.of(1)).toBe(HOME_GONE);
  homes.leave(1);
  expect(homes.of(1)).toBe(NO_HOME);
  expect(counts()).toEqual([1, 1, 0]);
});

test('a worker that goes while it is chosen is not taken', () => {
  open(0, 1);
  const { port, homes, layout } = pool.memory;
  // It goes between the choice and the look.
  const add = port.add.bind(port);
  port.add = (at, value) => {
    if (at === layout.worker(0) + WorkerWord.STRANDS && value === 1) pool.dispatcher.mail.boxes.close(0);
    return add(at, value);
  };
  homes.settle(5);
  expect(homes.of(5)).toBe(1);
  expect(counts()).toEqual([0, 1, 0]);
});

test('each home is told from the others', () => {
  const homes = [NO_HOME, ...Array.from({ length: 32 }, (_, worker) => worker), HOME_OF_EACH, HOME_GONE];
  expect(homes.map((home) => homeOf(homeTrait(home) | 0x3ffffff))).toEqual(homes);
  expect(homes.filter(isWorker)).toEqual(homes.slice(1, 33));
});
