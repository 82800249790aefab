/**
 * Records of state as handlers see them: objects with an accessor for each field. A class is made once for each declaration in
 * each worker; an object is one number, the record's place, and there is one for each turn that asks for it, so that it can be
 * taken back when the turn is over. To read or to write a number makes no garbage.
 *
 * Plain access: it is the owner of the slot that holds the object (slots/states.ts).
 */
import { makeError } from '../errors.ts';
import { accessorsOf, type StateViews } from './state-access.ts';
import type { Layout } from './state-shape.ts';

/** The place of a record that was taken back. */
const REVOKED = 0;

/** What one turn has of a record: nothing but its place. The accessors are those of the classes that rowClass() makes. */
export class StateRow {
  #at: number;

  /** Of the record at this offset. */
  constructor(at: number) {
    this.#at = at;
    // A misspelt field would become a property of this object, lost with the turn. (This costs 40 ns.)
    Object.preventExtensions(this);
  }

  /** Takes a row back: its accessors throw from now on. */
  static revoke(row: StateRow): void {
    row.#at = REVOKED;
  }

  /** The record's place. @throws ERR_WAKEONE_NOT_OWNER */
  static place(row: StateRow): number {
    const at = row.#at;
    if (at === REVOKED) throw makeError('ERR_WAKEONE_NOT_OWNER', 'access to a state');
    return at;
  }
}

export type RowClass = new (at: number) => StateRow;

const place = (row: StateRow): number => StateRow.place(row);

/** The class of a declaration's rows. `what` names the state in errors. */
export function rowClass(what: string, { fields }: Layout, views: StateViews): RowClass {
  class Row extends StateRow {}
  for (const field of fields) {
    const accessors = accessorsOf(`${what}.${field.name}`, field, views, place);
    Object.defineProperty(Row.prototype, field.name, { ...accessors, enumerable: true });
  }
  return Row;
}
