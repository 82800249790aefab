/**
 * How our side of a connection ends: `end()`, the peer's end, and the pool's close, which lets everything that has arrived be
 * answered first.
 *
 * A close before the peer has ended would send RST as soon as that sends again, and could cost it what is on its way. So
 * it gets a FIN, and what it sends is dropped until it ends too or is silent. In a group, what comes may be an answer
 * that another connection waits for: there our side ends when nothing was read and nothing written for a while.
 */
import { Phase, Trait } from '../slots/record.ts';
import { Flag, Ready } from '../slots/word.ts';
import type { ConnectionTurn } from './connection-turn.ts';
import type { WorkerContext } from './context.ts';

/** How long a peer that got our FIN because the pool closes may be silent before it is closed. */
const LINGER_MS = 1000;
/** Our side has ended because the pool closes; the peer's has not. */
const LINGERING = Phase.DRAINING | Phase.SHUT;
/** Without any of these there is no end of our side to think of. */
const TOWARDS_THE_END = Phase.END_SEEN | Phase.DRAINING | Phase.ENDING;

export class ConnectionEnd {
  readonly #context: WorkerContext;

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  /** The pool closes: what has arrived is read and answered, then our side ends. */
  beginDrain(turn: ConnectionTurn): void {
    turn.phase |= Phase.DRAINING;
    turn.bits |= Ready.IN;
    if (turn.grouped) this.#awaitSilence(turn);
  }

  /** A turn that was asked for: perhaps by the timer of one that drains. */
  heedTimer(turn: ConnectionTurn): void {
    if (turn.grouped && turn.has(Phase.DRAINING)) this.#endIfSilent(turn);
    else if ((turn.phase & LINGERING) === LINGERING && this.#isSilent(turn))
      turn.closing = { type: 'pool-closed' };
  }

  /** At the end of a turn: shuts our side down, or has the connection closed, if it is time for that. */
  conclude(turn: ConnectionTurn): void {
    if (turn.has(TOWARDS_THE_END)) this.#endOurSide(turn);
  }

  #endOurSide(turn: ConnectionTurn): void {
    const halfOpen = (turn.config & Trait.HALF_OPEN) !== 0;
    if (turn.has(Phase.END_SEEN) && !halfOpen) turn.phase |= Phase.ENDING;
    if (turn.has(Phase.DRAINING) && !turn.grouped && this.#isReadOut(turn)) turn.phase |= Phase.ENDING;
    // Read out and hung up: nobody is there any more, whatever we still wanted to send.
    if (turn.has(Phase.END_SEEN) && (turn.bits & Ready.HUP) !== 0) turn.closing = { type: 'end' };
    if (!turn.has(Phase.ENDING) || turn.hasOutput) return;
    const draining = turn.has(Phase.DRAINING);
    if (turn.has(Phase.PEER_ENDED)) {
      // close() sends the FIN itself.
      turn.closing = { type: draining ? 'pool-closed' : 'end' };
    } else if (!turn.has(Phase.SHUT)) {
      turn.phase |= Phase.SHUT;
      this.#context.native.shutdown(turn.index, 1);
      if (draining && turn.grouped) this.#awaitSilence(turn);
      else if (draining) this.#linger(turn);
    }
  }

  /** Whether all that has arrived was delivered, or will not be. Above the mark it waits for `drain`. */
  #isReadOut(turn: ConnectionTurn): boolean {
    return !turn.has(Phase.ABOVE_MARK) && (!turn.reading || (turn.bits & Ready.IN) === 0);
  }

  #endIfSilent(turn: ConnectionTurn): void {
    const busy = turn.has(Phase.STIRRED | Phase.PAUSED) || turn.hasOutput || turn.inputLength > 0;
    if (busy) this.#awaitSilence(turn);
    else if (turn.has(Phase.ENDING)) turn.closing = { type: 'pool-closed' };
    else turn.phase |= Phase.ENDING;
  }

  #awaitSilence(turn: ConnectionTurn): void {
    turn.phase &= ~Phase.STIRRED;
    this.#askLater(turn);
  }

  #linger(turn: ConnectionTurn): void {
    turn.phase &= ~(Phase.PAUSED | Phase.ABOVE_MARK | Phase.STIRRED);
    this.#askLater(turn);
  }

  #askLater({ index, generation }: ConnectionTurn): void {
    setTimeout(() => this.#context.strands.request(index, generation, Flag.CONTROL), LINGER_MS);
  }

  /** Nothing came since the timer was set, and nothing is there. Else it is set again. */
  #isSilent(turn: ConnectionTurn): boolean {
    const sends = turn.has(Phase.STIRRED) || turn.read();
    turn.consume(turn.inputLength);
    if (sends) this.#linger(turn);
    return !sends;
  }
}
