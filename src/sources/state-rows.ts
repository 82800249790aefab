/** The states that a worker's turns are given: the rows of each handler's declaration, and of groups. */
import type { PoolMemory } from '../slots/memory.ts';
import { type StateViews, viewsOf } from './state-access.ts';
import { type RowClass, rowClass, StateRow } from './state-row.ts';
import { type Layout, NO_LAYOUT } from './state-shape.ts';

/** What the handlers of a module declare, in the order of their numbers. */
export type Declaration = {
  readonly handlers: readonly { readonly name: string; readonly layout: Layout }[];
  readonly group: Layout;
};

export class StateRows {
  readonly #memory: PoolMemory;
  #handlers: readonly RowClass[] = [];
  #group: RowClass = StateRow;

  constructor(memory: PoolMemory) {
    this.#memory = memory;
  }

  /**
   * Makes room for what the handlers declare. Before the worker's first turn; false if another worker of the pool has declared
   * something else.
   */
  declare({ handlers, group }: Declaration): boolean {
    const { states } = this.#memory;
    const layouts = handlers.map(({ layout }) => layout);
    // Of handlers that declare nothing there may be others in a worker that is started later.
    const declared = handlers.flatMap((handler, number) =>
      handler.layout.bytes > 0 ? [{ number, ...handler }] : [],
    );
    const sizes = {
      hash: hashOf(JSON.stringify([declared, group])),
      group: group.bytes,
      handlers: layouts.map(({ bytes }) => bytes),
    };
    if (!states.declare(sizes)) return false;
    // Not made for nothing: most modules declare none.
    let views: StateViews | undefined;
    const make = (what: string, layout: Layout): RowClass =>
      layout === NO_LAYOUT ? StateRow : rowClass(what, layout, (views ??= viewsOf(states.buffer)));
    this.#handlers = handlers.map(({ name, layout }) => make(`${name}.state`, layout));
    this.#group = make('group.state', group);
    return true;
  }

  /** The record of a slot that has its turn, for the time of this turn. */
  of(index: number, handler: number): StateRow {
    return new (this.#handlers[handler] ?? StateRow)(this.#memory.states.offset(index));
  }

  /** The record of a group, for the turn of one that is a member, or was when the turn began: it is the group's turn too. */
  ofGroup(ref: number): StateRow {
    const { groups, states } = this.#memory;
    return new this.#group(states.offset(groups.groupOf(ref)));
  }
}

/** The rows that one turn was given, to be taken back at its end. */
export class TurnRows {
  readonly #rows: StateRows;
  #own: StateRow | undefined;
  #group: StateRow | undefined;

  constructor(rows: StateRows) {
    this.#rows = rows;
  }

  of(index: number, handler: number): object {
    this.#own ??= this.#rows.of(index, handler);
    return this.#own;
  }

  /** Of one group: a turn that leaves its group joins the next one when it is over. */
  ofGroup(ref: number): object {
    this.#group ??= this.#rows.ofGroup(ref);
    return this.#group;
  }

  revoke(): void {
    if (this.#own !== undefined) StateRow.revoke(this.#own);
    if (this.#group !== undefined) StateRow.revoke(this.#group);
    this.#own = undefined;
    this.#group = undefined;
  }
}

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a of a text, never 0: tells declarations apart, of which there are few. */
function hashOf(text: string): number {
  let hash = FNV_BASIS;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash | 0 || 1;
}
