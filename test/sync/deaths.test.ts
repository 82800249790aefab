/** Who has ended: what one thread notes another one sees, by any table that both know, and it stays so. */
import { threadId, Worker } from 'node:worker_threads';
import { once } from 'node:events';
import type * as deaths from '../../src/sync/deaths.ts';
import { beforeEach, expect, test, vi } from 'vitest';

type Deaths = typeof deaths;

/** The module as a thread of its own has it. */
async function thread(): Promise<Deaths> {
  vi.resetModules();
  return await import('../../src/sync/deaths.ts');
}

let here: Deaths;
let there: Deaths;

beforeEach(async () => {
  [here, there] = [await thread(), await thread()];
});

test('nobody is dead for who has heard of nothing', () => {
  expect([1, 2, 1000, 2 ** 24, 2 ** 30].map((owner) => here.isDead(owner))).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('a death is seen by all who have heard of the table, at once and for ever', () => {
  there.hearOfDeaths(here.deathsMemory());
  const owners = [1, 31, 32, 33, 5000, 2 ** 24 - 1].map((id) => here.ownerOfThread(id));
  expect(owners.some((owner) => there.isDead(owner))).toBe(false);
  for (const owner of owners) here.noteDeath(owner - 1);
  expect(owners.every((owner) => there.isDead(owner) && here.isDead(owner))).toBe(true);
  expect([2, 30, 34, 5001].some((id) => there.isDead(there.ownerOfThread(id)))).toBe(false);
});

test('ids beyond the table, and those of threads that have ended already, are nobody’s', () => {
  here.noteDeath(2 ** 24);
  here.noteDeath(-1);
  expect([0, 2 ** 24 + 1].map((owner) => here.isDead(owner))).toEqual([false, false]);
});

test('a thread that is part of several pools tells all of them', async () => {
  const third = await thread();
  // Made by another thread: it has another name.
  const other = new Int32Array(new SharedArrayBuffer(here.deathsMemory().byteLength));
  other[0] = here.ownerOfThread(threadId) + 7;
  there.hearOfDeaths(here.deathsMemory());
  there.hearOfDeaths(other.buffer);
  third.hearOfDeaths(other.buffer);
  there.noteDeath(12);
  expect([here, there, third].map((module) => module.isDead(13))).toEqual([true, true, true]);
  third.noteDeath(14);
  expect([here, there, third].map((module) => module.isDead(15))).toEqual([false, true, true]);
});

test('a table that comes twice is one, also if it was sent by message', async () => {
  const script = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (memory) => parentPort.postMessage(memory));`;
  const worker = new Worker(script, { eval: true });
  worker.postMessage(here.deathsMemory());
  const [copy] = (await once(worker, 'message')) as [SharedArrayBuffer];
  await worker.terminate();
  expect(copy).not.toBe(here.deathsMemory());
  there.hearOfDeaths(here.deathsMemory());
  there.hearOfDeaths(copy);
  // What it gives to its own pools is the one that it knows.
  expect(there.deathsMemory()).toBe(here.deathsMemory());
  here.noteDeath(3);
  expect(there.isDead(4)).toBe(true);
});
