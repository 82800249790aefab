/**
 * What was thrown, on its way to the app's thread. Structured clone keeps name, message, stack and cause of an error and
 * drops its own properties, `code` among them: those travel beside it.
 */
export type Thrown = { readonly value: unknown; readonly properties: Readonly<Record<string, unknown>> };

/** Makes a message of anything that can be thrown. */
export function packThrown(thrown: unknown): Thrown {
  const value = cloneOr(thrown, () => new Error(String(thrown)));
  if (!(thrown instanceof Error) || !(value instanceof Error)) return { value, properties: {} };
  const properties: Record<string, unknown> = {};
  // What cannot be cloned is left out.
  for (const [name, property] of Object.entries(thrown))
    properties[name] = cloneOr(property, () => undefined);
  return { value, properties };
}

/** The reverse. */
export function unpackThrown({ value, properties }: Thrown): unknown {
  return value instanceof Error ? Object.assign(value, properties) : value;
}

function cloneOr(value: unknown, otherwise: () => unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return otherwise();
  }
}
