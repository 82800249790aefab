/** User words with one mistake each. */
import { type Layout, SlotWord } from '../../../src/slots/layout.ts';
import {
  closedUserWord,
  isClaimed,
  type Merge,
  merged,
  Posted,
  UserWords,
  valueOf,
} from '../../../src/slots/user.ts';
import type { Port } from '../../../src/sync/port.ts';

abstract class MutantUsers extends UserWords {
  protected readonly port: Port;
  readonly #layout: Layout;

  constructor(port: Port, layout: Layout) {
    super(port, layout);
    this.port = port;
    this.#layout = layout;
  }

  protected at(index: number): number {
    return this.#layout.slot(index) + SlotWord.USER;
  }
}

/** The generation is not looked at: a poster that sleeps while the slot is used again posts to its next user (U1). */
export class PostsToAnyGeneration extends MutantUsers {
  override post(index: number, _generation: number, merge: Merge, value: number): Posted {
    for (;;) {
      const word = this.port.load(this.at(index));
      const next = word - valueOf(word) + merged(valueOf(word), merge, value);
      if (this.port.compareExchange(this.at(index), word, next) === word) return Posted.DONE;
    }
  }
}

/** Whether it joins what waits is decided by its first look, and not by the word that its swap has replaced (U3). */
export class JoinsByFirstLook extends MutantUsers {
  override post(index: number, generation: number, merge: Merge, value: number): Posted {
    const waited = valueOf(this.port.load(this.at(index))) !== 0;
    const posted = super.post(index, generation, merge, value);
    return posted === Posted.DONE && waited ? Posted.JOINED : posted;
  }
}

/** settle stores an empty word: what was posted while the handler ran is gone. */
export class ClearsInSettle extends MutantUsers {
  override settle(index: number): void {
    const word = this.port.load(this.at(index));
    this.port.store(this.at(index), word & (0x7f << 24));
  }
}

/** A take leaves no mark: nobody can tell what its worker had in its hands when it died (U2). */
export class TakesUnmarked extends MutantUsers {
  override take(index: number): number {
    for (;;) {
      const word = this.port.load(this.at(index));
      const taken = valueOf(word);
      if (taken === 0) return 0;
      if (this.port.compareExchange(this.at(index), word, word - taken) === word) return taken;
    }
  }
}

/** What a worker had not taken when it died in the end of the slot is not told: there is no later delivery for it. */
export class ReapsTheMarkOnly extends MutantUsers {
  override reapLast(index: number, generation: number): boolean {
    return isClaimed(this.port.exchange(this.at(index), closedUserWord(generation)));
  }
}
