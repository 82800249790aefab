/** The table of DESIGN section 4 once more, on plain records: what word.ts is compared with. Undefined: no change. */
import { State } from '../../src/slots/word.ts';

export type Fields = {
  readonly generation: number;
  readonly owner: number;
  readonly flags: number;
  readonly ready: number;
  readonly state: number;
};

export type Decision<Args extends readonly unknown[]> = (fields: Fields, ...args: Args) => Fields | undefined;

const FORCED = 1;

/** Written with products in place of shifts, so that a wrong shift in word.ts does not repeat here. */
export function pack({ generation, owner, flags, ready, state }: Fields): number {
  return ((((generation * 64 + owner) * 16 + flags) * 64 + ready) * 8 + state) | 0;
}

export function unpack(word: number): Fields {
  const unsigned = word >>> 0;
  return {
    state: unsigned % 8,
    ready: Math.floor(unsigned / 8) % 64,
    flags: Math.floor(unsigned / 512) % 16,
    owner: Math.floor(unsigned / 8192) % 64,
    generation: Math.floor(unsigned / 524288),
  };
}

/** A word that the protocol can make. */
export function isWellFormed({ owner, flags, ready, state }: Fields): boolean {
  const isEmpty = flags === 0 && ready === 0;
  switch (state) {
    case State.FREE:
      return owner === 0 && isEmpty;
    case State.CLOSING:
      return owner !== 0 && isEmpty;
    case State.ACTIVE:
      return owner !== 0;
    case State.QUEUED:
      return owner === 0;
    case State.ARMED:
    case State.DISABLED:
      return owner === 0 && flags === 0;
    default:
      return false;
  }
}

const sameGeneration = (fields: Fields, generation: number): boolean =>
  ((generation % 8192) + 8192) % 8192 === fields.generation;
const isOver = ({ state }: Fields): boolean => state === State.FREE || state === State.CLOSING;
const next = (generation: number): number => (generation + 1) % 8192;
const clean = (generation: number, owner: number, state: State): Fields => ({
  generation,
  owner,
  flags: 0,
  ready: 0,
  state,
});

export const register: Decision<[me: number]> = (fields, me) =>
  fields.state === State.FREE ? clean(fields.generation, me, State.ACTIVE) : undefined;

export const deliver: Decision<[generation: number, bits: number]> = (fields, generation, bits) => {
  if (!sameGeneration(fields, generation) || isOver(fields)) return undefined;
  const ready = fields.ready | bits;
  const isNews = ready !== fields.ready;
  return { ...fields, ready, state: fields.state === State.ARMED && isNews ? State.QUEUED : fields.state };
};

export const claim: Decision<[me: number]> = (fields, me) =>
  fields.state === State.QUEUED ? clean(fields.generation, me, State.ACTIVE) : undefined;

export const finish: Decision<[me: number, leftover: number, wanted: number, disable: boolean]> = (
  fields,
  me,
  leftover,
  wanted,
  disable,
) => {
  if (fields.state !== State.ACTIVE || fields.owner !== me) return undefined;
  const back = { ...fields, owner: 0, ready: fields.ready | leftover };
  if (fields.flags !== 0) return { ...back, state: State.QUEUED };
  if (disable) return { ...back, state: State.DISABLED };
  return { ...back, state: (back.ready & wanted) === 0 ? State.ARMED : State.QUEUED };
};

export const request: Decision<[generation: number, flag: number]> = (fields, generation, flag) => {
  if (!sameGeneration(fields, generation) || isOver(fields)) return undefined;
  const rests = fields.state === State.ARMED || fields.state === State.DISABLED;
  return { ...fields, flags: fields.flags | flag, state: rests ? State.QUEUED : fields.state };
};

export const close: Decision<[me: number]> = (fields, me) =>
  fields.state === State.ACTIVE && fields.owner === me
    ? clean(fields.generation, me, State.CLOSING)
    : undefined;

export const free: Decision<[me: number]> = (fields, me) =>
  fields.state === State.CLOSING && fields.owner === me
    ? clean(next(fields.generation), 0, State.FREE)
    : undefined;

export const takeOver: Decision<[me: number]> = (fields, me) =>
  fields.state === State.CLOSING ? clean(next(fields.generation), me, State.ACTIVE) : undefined;

export const reap: Decision<[dead: number, supervisor: number]> = (fields, dead, supervisor) => {
  if (fields.owner !== dead) return undefined;
  if (fields.state === State.ACTIVE) {
    return { ...fields, owner: 0, flags: fields.flags | FORCED, state: State.QUEUED };
  }
  return fields.state === State.CLOSING ? clean(fields.generation, supervisor, State.ACTIVE) : undefined;
};
