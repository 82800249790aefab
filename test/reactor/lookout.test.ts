/** When a worker puts the monitor's tick off: whenever nothing waits for the monitor, and never otherwise. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Lookout, LOOK_MS, PUT_OFF_MS } from '../../src/reactor/lookout.ts';
import { Config } from '../../src/slots/layout.ts';
import { ageSight, alarmsOf, type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

let pool: FakePool;
let lookout: Lookout;
let alarms: number[];
let now: number;
let aged: number;

beforeEach(() => {
  begin();
});

function begin(config: Readonly<Record<number, number>> = {}): void {
  pool = makeFakePool({ config });
  takeAll(pool);
  alarms = alarmsOf(pool);
  lookout = new Lookout(pool.dispatcher);
  now = performance.now();
  aged = 0;
  pool.dispatcher.runnable.enter(0, 2);
}

/** Whether the worker puts the tick off, a while after anybody last looked. */
function putsOff(): boolean {
  const before = alarms.length;
  now += LOOK_MS;
  age();
  lookout.look(now);
  return alarms.length > before;
}

/** As the monitor does in a tick. */
function tick(): void {
  pool.dispatcher.sight.take();
}

/** Time passes since the last look, once: what is amiss is told by that moment. */
function age(): void {
  const { sight } = pool.dispatcher;
  if (sight.at === aged) return;
  ageSight(pool, LOOK_MS);
  aged = sight.at;
}

describe('a look', () => {
  test('sets the alarm, and is the last look from then on', () => {
    pool.dispatcher.push(7);
    const { sight } = pool.dispatcher;
    const before = sight.at;
    lookout.look(now);
    expect(alarms).toEqual([PUT_OFF_MS]);
    expect(sight.at).not.toBe(before);
    expect(sight.stillWaits).toBe(true);
  });

  test('comes once a millisecond', () => {
    lookout.look(now);
    lookout.look(now + LOOK_MS / 2);
    expect(alarms).toHaveLength(1);
    age();
    lookout.look(now + LOOK_MS);
    expect(alarms).toHaveLength(2);
  });

  test('soon after another one waits its time, and does not take hints for late', () => {
    tick();
    pool.dispatcher.push(7);
    tick();
    lookout.look(now);
    lookout.look(now);
    expect(alarms).toEqual([]);
    pool.dispatcher.take();
    expect(putsOff()).toBe(true);
  });

  test('is worth nothing without a monitor', () => {
    begin({ [Config.MONITORED]: 0 });
    expect(putsOff()).toBe(false);
  });
});

describe('the tick is left to come', () => {
  test('if a hint that waited at the last look still does', () => {
    pool.dispatcher.push(7);
    pool.dispatcher.push(8);
    expect(putsOff()).toBe(true);
    pool.dispatcher.take();
    pool.dispatcher.push(9);
    expect(putsOff()).toBe(false);
    // Though it is well again: others may be needed.
    pool.dispatcher.take();
    expect(putsOff()).toBe(false);
    tick();
    pool.dispatcher.take();
    expect(putsOff()).toBe(true);
  });

  test('while a slot is marked as having a new time', () => {
    pool.memory.timeouts.mark(5);
    expect(putsOff()).toBe(false);
    tick();
    expect(putsOff()).toBe(false);
    pool.memory.timeouts.marks.take(() => undefined);
    tick();
    expect(putsOff()).toBe(true);
  });

  test('while hints wait outside of the ring', () => {
    pool.dispatcher.overflow.add(7);
    expect(putsOff()).toBe(false);
  });

  test('while mail waits for a worker that does not run', () => {
    const { boxes } = pool.dispatcher.mail;
    boxes.open(0);
    boxes.open(1);
    boxes.put(0, 7);
    expect(putsOff()).toBe(true);
    boxes.put(1, 8);
    expect(putsOff()).toBe(false);
  });
});

test('where all threads run, hints may wait', () => {
  pool.dispatcher.push(7);
  expect(putsOff()).toBe(true);
  expect(putsOff()).toBe(false);
  tick();
  pool.dispatcher.runnable.enter(1, 2);
  expect(putsOff()).toBe(true);
  expect(putsOff()).toBe(true);
});
