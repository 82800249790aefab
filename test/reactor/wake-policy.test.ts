/** When a wake-up pays: the pure rules, and the policy of a worker over them. */
import { describe, expect, test } from 'vitest';
import { WAKE_RULES } from '../../src/options.ts';
import {
  blend,
  costAfter,
  hasRule,
  packPolicy,
  pays,
  SAMPLE_EVERY,
  WakePolicy,
} from '../../src/reactor/wake-policy.ts';
import { Config } from '../../src/slots/layout.ts';

const policyOf = (policy: number, wakeCostMs: number): WakePolicy =>
  new WakePolicy({ config: (at) => (at === Config.WAKE_POLICY ? policy : 0), wakeCostMs });

describe('a wake-up', () => {
  test.each([
    ['one handler of a millisecond', 1, 1, 0.02, true],
    ['a hundred echoes', 100, 0.005, 0.02, false],
    ['two hundred echoes', 200, 0.005, 0.02, true],
    ['the same where a wake-up costs a tenth', 20, 0.005, 0.002, true],
    ['nothing', 0, 1, 0.02, false],
    ['what only the caller will do', -1, 1, 0.02, false],
  ])('for %s', (_, waiting, turnMs, costMs, worth) => {
    expect(pays(waiting, turnMs, costMs)).toBe(worth);
  });

  test('pays at the latest when a sixteenth of the half that is given away is what it costs', () => {
    for (const costMs of [0.001, 0.017, 0.1])
      for (const turnMs of [0.003, 0.05, 1, 20]) {
        const enough = Math.ceil((2 * 16 * costMs) / turnMs);
        expect(pays(enough, turnMs, costMs)).toBe(true);
        expect(pays(Math.floor(enough * 0.99) - 1, turnMs, costMs)).toBe(false);
      }
  });

  test('that was preempted says nothing about the cost', () => {
    expect(costAfter(0.02, 4)).toBe(0.02);
    expect(costAfter(0, 0.03)).toBe(0.03);
    expect(costAfter(0.02, 0.1)).toBeCloseTo(0.03);
  });
});

describe('the mean of turns', () => {
  test('begins with the first and follows the others', () => {
    let mean = blend(0, 3);
    expect(mean).toBe(3);
    for (let turn = 0; turn < 40; turn++) mean = blend(mean, 0.005);
    expect(mean).toBeLessThan(0.03);
    // A handler that has become slow is known after a few samples.
    for (let turn = 0; turn < 3; turn++) mean = blend(mean, 1);
    expect(mean).toBeGreaterThan(0.3);
  });

  test('is of turns that are told apart by a mask', () => {
    expect(Math.log2(SAMPLE_EVERY) % 1).toBe(0);
  });
});

describe('the policy of a worker', () => {
  test('goes by what it has measured', () => {
    const policy = policyOf(packPolicy(undefined), 0.02);
    expect(policy.wakes(1000, 2)).toBe(false);
    policy.noteTurn(0.005);
    expect(policy.wakes(100, 2)).toBe(false);
    expect(policy.wakes(131, 2)).toBe(true);
    for (let turn = 0; turn < 10; turn++) policy.noteTurn(1);
    expect(policy.wakes(2, 2)).toBe(false);
    expect(policy.wakes(3, 2)).toBe(true);
  });

  test.each([0, 1, 128, 2 ** 20])('goes by a number that was given: %i', (hints) => {
    const policy = policyOf(packPolicy(hints), 0.02);
    policy.noteTurn(50);
    expect(policy.wakes(hints, 2)).toBe(false);
    expect(policy.wakes(hints + 1, 2)).toBe(true);
  });

  test('puts nothing off if that is switched off', () => {
    const policy = policyOf(packPolicy(undefined, ['putOff']), 0.02);
    expect(policy.wakes(1, 1)).toBe(true);
    expect(policy.wakes(0, 0)).toBe(false);
  });

  test('each rule can be switched off alone', () => {
    for (const off of WAKE_RULES) {
      const policy = packPolicy(7, [off]);
      expect(WAKE_RULES.filter((rule) => !hasRule(policy, rule))).toEqual([off]);
    }
    expect(WAKE_RULES.every((rule) => hasRule(packPolicy(undefined), rule))).toBe(true);
  });
});
