/** What is no module of handlers is refused when it is made. */
import { describe, expect, test } from 'vitest';
import { defineHandlers } from '../../src/sources/handlers.ts';

describe('defineHandlers refuses', () => {
  test.each([
    [
      'a handler that does nothing',
      { quiet: {} },
      /^Argument 'quiet' must be a function, or an object with one of/,
    ],
    ['one that has but a state', { quiet: { state: {} } }, /^Argument 'quiet'/],
    ['one that has but a budget', { quiet: { maxMessagesPerTurn: 1 } }, /^Argument 'quiet'/],
    [
      'a handler that is none',
      { none: 7 },
      /^Argument 'none' must be a function or an object of handlers; got 7/,
    ],
    [
      'a misspelt one',
      { echo: { data: () => {}, dat: () => {} } },
      /^Argument 'echo.dat' must be a function named/,
    ],
  ])('%s', (_, handlers, message) => {
    const refused = expect.objectContaining({
      code: 'ERR_WAKEONE_INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    }) as Error;
    expect(() => defineHandlers(handlers as never)).toThrow(refused);
  });
});
