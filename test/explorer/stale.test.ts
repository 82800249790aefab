/**
 * Plain reads in the explorer: they may see old values as far as arm64 allows, and no further. The classic shapes of
 * two threads, each with its verdict.
 */
import { describe, test } from 'vitest';
import { expectFails, expectHoldsWithin } from './explore.ts';
import type { Body, Program, View } from './program.ts';

const FLAG = 0;
const DATA = 1;
const OTHER = 2;

const program = (one: Body, two: Body, end: (view: View) => void = () => undefined): Program => ({
  threads: [
    { name: 'one', body: one },
    { name: 'two', body: two },
  ],
  stale: () => true,
  end,
});

describe('message passing: data, then a flag', () => {
  const sends: Body = (port) => {
    port.store(DATA, 1);
    port.store(FLAG, 1);
    return undefined;
  };
  const reads =
    (look: (port: Parameters<Body>[0]) => number): Body =>
    (port, self) => {
      if (look(port) === 1) self.check(port.peek(DATA) === 1, 'the flag came before its data');
      return undefined;
    };

  test('a plain read behind an ordered load of the flag sees the data', () =>
    void expectHoldsWithin(
      program(
        sends,
        reads((port) => port.load(FLAG)),
      ),
    ));
  test('so does one behind an exchange of the flag', () =>
    void expectHoldsWithin(
      program(
        sends,
        reads((port) => port.exchange(FLAG, 2)),
      ),
    ));
  test('and one behind a compare-and-swap, whether it succeeds or not', () => {
    expectHoldsWithin(
      program(
        sends,
        reads((port) => port.compareExchange(FLAG, 1, 2)),
      ),
    );
    expectHoldsWithin(
      program(
        sends,
        reads((port) => port.compareExchange(FLAG, 0, 2)),
      ),
    );
  });
  test('and one behind a compare-and-swap that confirms a plain read', () =>
    void expectHoldsWithin(
      program(
        sends,
        reads((port) => (port.peek(FLAG) === 1 ? port.compareExchange(FLAG, 1, 2) : 0)),
      ),
    ));
  test('one behind a plain read of the flag need not', () =>
    void expectFails(
      program(
        sends,
        reads((port) => port.peek(FLAG)),
      ),
      /before its data/,
    ));
});

describe('announce, look again', () => {
  const both =
    (announce: (port: Parameters<Body>[0], at: number) => void, look: 'load' | 'peek') =>
    (mine: number, other: number): Body =>
    (port, self) => {
      announce(port, mine);
      self.log(port[look](other));
      return undefined;
    };
  const oneSees = (view: View): void => {
    if (view.log('one')[0] === 0 && view.log('two')[0] === 0) throw new Error('neither saw the other');
  };
  const make = (bodyOf: (mine: number, other: number) => Body): Program =>
    program(bodyOf(FLAG, OTHER), bodyOf(OTHER, FLAG), oneSees);

  test('one of two sees the other, if both look by an ordered load', () => {
    expectHoldsWithin(make(both((port, at) => port.store(at, 1), 'load')));
    expectHoldsWithin(make(both((port, at) => void port.or(at, 1), 'load')));
  });

  test('neither may see the other, if they look by a plain read', () => {
    expectFails(make(both((port, at) => port.store(at, 1), 'peek')), /neither/);
    expectFails(make(both((port, at) => void port.or(at, 1), 'peek')), /neither/);
  });
});

describe('one word', () => {
  const writes: Body = (port) => {
    port.store(DATA, 1);
    port.store(DATA, 2);
    return undefined;
  };

  test('never goes back for one reader', () => {
    const reads: Body = (port, self) => {
      const first = port.peek(DATA);
      self.check(port.peek(DATA) >= first, 'the word went back');
      return undefined;
    };
    expectHoldsWithin(program(writes, reads));
  });

  test('shows a thread its own change', () => {
    const reads: Body = (port, self) => {
      port.add(DATA, 4);
      self.check(port.peek(DATA) >= 4 || port.peek(DATA) !== 0, 'the own change is not seen');
      return undefined;
    };
    expectHoldsWithin(program(writes, reads));
  });
});
