/** Slot tables with one mistake each: a decision of word.ts is replaced, or a step comes at the wrong place. */
import { type Layout, SlotWord } from '../../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../../src/slots/table.ts';
import * as Word from '../../../src/slots/word.ts';
import type { Port } from '../../../src/sync/port.ts';

const { State } = Word;
const READY_FIELD = 63 << 3;
const FLAGS_FIELD = 15 << 9;

abstract class MutantTable extends SlotTable {
  protected readonly port: Port;
  readonly #layout: Layout;

  constructor(port: Port, layout: Layout) {
    super(port, layout);
    this.port = port;
    this.#layout = layout;
  }

  protected at(index: number): number {
    return this.#layout.slot(index) + SlotWord.WORD;
  }

  /** One decision in a compare-and-swap loop, as table.ts makes it. */
  protected decide(index: number, decision: (word: number) => number): Outcome {
    for (;;) {
      const word = this.word(index);
      const next = decision(word);
      if (next === word) return Outcome.REFUSED;
      if (this.port.compareExchange(this.at(index), word, next) !== word) continue;
      return Word.entersQueue(word, next) ? Outcome.PUSH : Outcome.DONE;
    }
  }
}

/** finish clears the ready bits: an edge that came during the turn is forgotten (W3). */
export class ClearsInFinish extends MutantTable {
  override finish(index: number, me: number, leftover: number, wanted: number, disable: boolean): Outcome {
    return this.decide(index, (word) => Word.finish(word & ~READY_FIELD, me, leftover, wanted, disable));
  }
}

/** finish does not look at the flags. */
export class IgnoresFlags extends MutantTable {
  override finish(index: number, me: number, leftover: number, wanted: number, disable: boolean): Outcome {
    return this.decide(index, (word) => Word.finish(word & ~FLAGS_FIELD, me, leftover, wanted, disable));
  }
}

/** deliver queues a slot whose handler runs (W2). */
export class DeliversToActive extends MutantTable {
  override deliver(index: number, generation: number, bits: number): Outcome {
    return this.decide(index, (word) => {
      if (Word.stateOf(word) !== State.ACTIVE) return Word.deliver(word, generation, bits);
      return Word.pack(
        Word.generationOf(word),
        0,
        Word.flagsOf(word),
        Word.readyOf(word) | bits,
        State.QUEUED,
      );
    });
  }
}

/** deliver asks for another hint of a slot that has one (G5). */
export class PushesTwice extends MutantTable {
  override deliver(index: number, generation: number, bits: number): Outcome {
    const outcome = super.deliver(index, generation, bits);
    return this.state(index) === State.QUEUED ? Outcome.PUSH : outcome;
  }
}

/** claim takes the bits in a step of its own (R3): one that comes between the two is cleared unseen. */
export class ClaimsInTwoSteps extends MutantTable {
  override claim(index: number, me: number): number {
    const word = this.word(index);
    if (Word.stateOf(word) !== State.QUEUED) return 0;
    const active = (word & ~7) | (me << 13) | State.ACTIVE;
    if (this.port.compareExchange(this.at(index), word, active) !== word) return 0;
    this.port.and(this.at(index), ~(READY_FIELD | FLAGS_FIELD));
    return word;
  }
}

/** request does not compare generations: what was asked of the closed file is done to its successor. */
export class AcceptsAnyGeneration extends MutantTable {
  override request(index: number, _generation: number, flag: number): Outcome {
    return super.request(index, this.generation(index), flag);
  }
}

/** The registrar takes a slot whatever its state is. */
export class TakesAnything extends MutantTable {
  override takeOver(index: number, me: number): boolean {
    const word = this.word(index);
    const next = Word.pack(Word.generationOf(word) + 1, me, 0, 0, State.ACTIVE);
    return this.port.compareExchange(this.at(index), word, next) === word;
  }
}

/** The generation is written after close(fd), when the slot may have been taken over. */
export class EndsLate extends MutantTable {
  override endGeneration(): void {
    // Later.
  }

  override takeOver(index: number, me: number): boolean {
    const word = this.word(index);
    const next = Word.takeOver(word, me);
    return next !== word && this.port.compareExchange(this.at(index), word, next) === word;
  }

  override free(index: number, me: number): void {
    super.endGeneration(index);
    super.free(index, me);
  }
}

/** free does not see that the slot has been taken over meanwhile. */
export class FreesAnything extends MutantTable {
  override free(index: number, _me: number): void {
    const generation = this.generation(index);
    this.port.store(this.at(index), Word.pack(generation, 0, 0, 0, State.FREE));
  }
}
