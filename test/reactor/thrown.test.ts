/** What a handler threw arrives in the app's thread as it was, as far as structured clone allows. */
import { describe, expect, test } from 'vitest';
import { makeError, SystemError } from '../../src/errors.ts';
import { asError, packThrown, textOf, unpackThrown } from '../../src/reactor/thrown.ts';

/** As a message port does it. */
const sent = (thrown: unknown): unknown => unpackThrown(structuredClone(packThrown(thrown)));

describe('an error', () => {
  test('keeps its code and its other properties', () => {
    const arrived = sent(new SystemError('read', -104, 7)) as SystemError;
    expect(arrived).toBeInstanceOf(Error);
    expect(arrived).toMatchObject({
      name: 'SystemError',
      code: 'ECONNRESET',
      errno: -104,
      syscall: 'read',
      fd: 7,
    });
    expect(arrived.message).toBe('read (fd 7): ECONNRESET');
  });

  test('keeps class, message, stack and cause', () => {
    const error = new RangeError('too much', { cause: makeError('ERR_WAKEONE_ENDED', 'write()') });
    const arrived = sent(error) as RangeError;
    expect(arrived).toBeInstanceOf(RangeError);
    expect([arrived.message, arrived.stack]).toEqual([error.message, error.stack]);
    expect(arrived.cause).toBeInstanceOf(Error);
  });

  test('loses only those properties that cannot be cloned', () => {
    const error = Object.assign(new Error('boom'), { code: 'E_MINE', retry: () => {} });
    const arrived = sent(error) as Error & { code: string; retry?: unknown };
    expect([arrived.code, arrived.retry]).toEqual(['E_MINE', undefined]);
  });

  test('loses only those properties that cannot be read', () => {
    const error = Object.defineProperty(Object.assign(new Error('boom'), { code: 'E_MINE' }), 'hidden', {
      enumerable: true,
      get: () => {
        throw new Error('not to be seen');
      },
    });
    const arrived = sent(error) as Error & { code: string; hidden?: unknown };
    expect([arrived.message, arrived.code, arrived.hidden]).toEqual(['boom', 'E_MINE', undefined]);
  });
});

test.each([[undefined], [null], [0], ['text'], [{ code: 'E_PLAIN' }]])('%j arrives as it is', (thrown) => {
  expect(sent(thrown)).toEqual(thrown);
});

test('what cannot be cloned arrives as an error that names it', () => {
  expect(sent(() => 1)).toEqual(new Error('() => 1'));
  expect(sent(Symbol('sign'))).toEqual(new Error('Symbol(sign)'));
});

describe('what cannot even be made text', () => {
  const revoked = (): object => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const nameless = Object.defineProperty(new Error('boom'), 'name', { value: Symbol('no name') });
  const strange: [string, unknown][] = [
    ['an object without a prototype', Object.assign(Object.create(null) as object, { call: () => {} })],
    ['an object whose conversion throws', { toString: () => Math.sqrt(1n as never) }],
    ['a revoked proxy', revoked()],
    ['an error whose name is a symbol', nameless],
  ];

  test.each(strange)('%s is packed, and has some text', (_, thrown) => {
    expect(sent(thrown)).toBeInstanceOf(Error);
    expect(asError(thrown)).toBeInstanceOf(Error);
    expect(textOf(thrown)).not.toBe('');
  });
});
