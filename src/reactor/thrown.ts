/**
 * What was thrown, on its way to the app's thread. Structured clone keeps name, message, stack and cause of an error and
 * drops its own properties, `code` among them: those travel beside it.
 */
export type Thrown = { readonly value: unknown; readonly properties: Readonly<Record<string, unknown>> };

/** Makes a message of anything that can be thrown. */
export function packThrown(thrown: unknown): Thrown {
  const value = cloneOr(
    () => thrown,
    () => new Error(textOf(thrown)),
  );
  if (!(value instanceof Error) || asError(thrown) !== thrown) return { value, properties: {} };
  const properties: Record<string, unknown> = {};
  // What cannot be cloned, or not even be read, is left out.
  for (const name of Object.keys(thrown)) {
    properties[name] = cloneOr(
      () => Reflect.get(thrown, name) as unknown,
      () => undefined,
    );
  }
  return { value, properties };
}

/** The reverse. */
export function unpackThrown({ value, properties }: Thrown): unknown {
  return value instanceof Error ? Object.assign(value, properties) : value;
}

/** What was thrown, if it is an error; else an error that names it. */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error) return thrown;
  } catch {
    // A proxy that was revoked has no prototype to look at.
  }
  return new Error(textOf(thrown));
}

/** Text of anything that can be thrown. Not everything has one: a conversion may throw, and that must not end a thread. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something was thrown that cannot be made text';
  }
}

function cloneOr(read: () => unknown, otherwise: () => unknown): unknown {
  try {
    return structuredClone(read());
  } catch {
    return otherwise();
  }
}
