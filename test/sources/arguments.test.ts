/** Arguments of the handles that make no sense: refused in one way, and nothing has happened then. Scenario 88. */
import { expect, test } from 'vitest';
import { Trait } from '../../src/slots/record.ts';
import { Ready, State } from '../../src/slots/word.ts';
import { checkDetail, checkInteger } from '../../src/sources/arguments.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import { FdSource } from '../../src/sources/fd-source.ts';
import type { ConnectionHandlers, FdHandler } from '../../src/sources/handlers.ts';
import { Registration } from '../../src/sources/registration.ts';
import { armed, connectionFd, contextOf, makeFakePool, rawFd } from '../fake-pool.ts';

const refused: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' });
const NO_DETAILS = [-1, 65_536, 0.5, NaN, Infinity, -Infinity, '1', null, {}, 1n] as number[];
const NO_TIMES = [-1, 32_768, 0.5, NaN, Infinity, '60', null, undefined] as number[];

test('integers from 0 to a limit', () => {
  expect([0, 1, 65_535].map(checkDetail)).toEqual([0, 1, 65_535]);
  for (const detail of NO_DETAILS) expect(() => checkDetail(detail)).toThrow(refused);
  expect(() => checkInteger('count', 8, 7)).toThrow("Argument 'count' must be an integer from 0 to 7; got 8");
});

test('a detail that a registration or the event of a bare descriptor cannot carry', async () => {
  const pool = makeFakePool();
  const fd = pool.native.eventfd();
  let calls = 0;
  const handler: FdHandler = (event) => {
    calls++;
    for (const detail of NO_DETAILS) expect(() => event.teardown(detail)).toThrow(refused);
  };
  const { context, reports } = contextOf(pool, [handler]);
  const generation = armed(pool, fd, { ...rawFd, traits: Trait.EDGE });
  const registration = new Registration(pool.memory, pool.strands, fd, generation);
  for (const detail of NO_DETAILS) await expect(registration.teardown(detail)).rejects.toEqual(refused);
  pool.memory.slots.deliver(fd, generation, Ready.RDHUP);
  new FdSource(context).turn(fd, pool.memory.slots.claim(fd, pool.memory.me));
  expect([calls, reports]).toEqual([1, []]);
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
});

test('a detail or a keep-alive time that a connection cannot have', () => {
  const pool = makeFakePool();
  const [fd] = pool.native.socketPair();
  const reasons: unknown[] = [];
  let set = 0;
  const handlers: ConnectionHandlers = {
    open(connection) {
      for (const detail of NO_DETAILS) expect(() => connection.teardown(detail)).toThrow(refused);
      for (const seconds of NO_TIMES) expect(() => connection.setKeepAlive(seconds)).toThrow(refused);
      expect(set).toBe(0);
      for (const seconds of [0, 1, 32_767]) connection.setKeepAlive(seconds);
      connection.teardown(7);
      // The first one counts, a wrong one is refused nevertheless.
      expect(() => connection.teardown(-1)).toThrow(refused);
      connection.teardown(8);
    },
    close: (_, reason) => void reasons.push(reason),
  };
  pool.native.onCall = (call) => {
    if (call === 'setKeepAlive') set++;
  };
  const { context, reports } = contextOf(pool, [handlers]);
  pool.registrar.register(fd, connectionFd);
  new ConnectionSource(context).open(fd);
  expect(reports).toEqual([]);
  expect(set).toBe(3);
  expect(reasons).toEqual([{ type: 'teardown', detail: 7 }]);
});
