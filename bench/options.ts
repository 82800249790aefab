import { parseArgs } from 'node:util';

/** A wrong command line: its message is printed without a stack, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The lines about them for `--help`. */
export function usageOf(defaults: Readonly<Record<string, string>>): string {
  const lines = Object.entries(defaults).map(([name, value]) => `--${name} ${value}`);
  return [...lines, '--json   one JSON object'].join('\n');
}

/** The options of a scenario as given, or their defaults; names that are not in `defaults` are refused. */
export function readOptions<Name extends string>(
  args: readonly string[],
  defaults: Readonly<Record<Name, string>>,
): Record<Name, string> & { readonly json: boolean } {
  const names = Object.keys(defaults) as Name[];
  let given: Record<string, string | boolean | undefined>;
  try {
    given = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const chosen = Object.fromEntries(names.map((name) => [name, given[name] ?? defaults[name]]));
  return { ...(chosen as Record<Name, string>), json: given['json'] === true };
}

/** The other way round: `--name value` for each entry, for a program that is started. */
export function toArguments(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`--${option} takes a whole number from ${least} to ${most}, got '${text}'`);
  }
  return value;
}

export function listOf<Item>(option: string, text: string, item: (word: string) => Item): Item[] {
  const words = text.split(',').filter((word) => word !== '');
  if (words.length === 0) throw new UsageError(`--${option} takes a list with commas, got '${text}'`);
  const items = words.map(item);
  if (new Set(items).size !== items.length)
    throw new UsageError(`--${option} names something twice: '${text}'`);
  return items;
}
