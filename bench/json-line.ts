/** The JSON object that a line is, or undefined: servers and the load generator may print other lines too. */
export function parseJsonLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function numberIn(object: Readonly<Record<string, unknown>>, key: string): number {
  const value = object[key];
  if (typeof value !== 'number')
    throw new TypeError(`expected a number '${key}' in ${JSON.stringify(object)}`);
  return value;
}
