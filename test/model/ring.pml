/*
 * The ring of hints: src/sync/ring.ts, Ring.push, Ring.take and Ring.isEmpty, one step for each call of the port.
 *
 * Capacity 2, a lap of LAP_BITS bits (11 in the code), positions that wrap at capacity * 2^LAP_BITS and begin at START,
 * just before they do. PUSHERS push PUSHES hints each, TAKERS take until there is nothing more.
 *
 * A thread that vanishes is one that is not scheduled again: Ring has nothing to repair, so that needs no step of its own.
 * P3 is demanded in every state and P4 without fairness, so they hold whoever has stopped where.
 *
 * Left out:
 * - More pushes than a sleep may see: a thread that sleeps through exactly 2^LAP_BITS laps is a case of its own, which
 *   the header of ring.ts tells. So PUSHERS * PUSHES < 2 * 2^LAP_BITS.
 * - peek() that is staler than other words: test/explorer/stale.ts does that with the real code. It is a load here.
 * - `length`, which is an estimate.
 *
 * Properties:
 * - P1  Positions are published in order, each once, and taken in order, each once (I1), with the hint that was published.
 * - P2  head and tail never overtake the cells (I2).
 * - P3  Nothing is lost: take() finds nothing, and isEmpty() is true, only if the ring was empty when it looked at the
 *       cell; push() fails only if it was full then (I3; that is earlier than its last load).
 * - P4  Lock-free: no cycle in which no operation completes (-DNP).
 *
 * Mutants: TAIL_FIRST, the tail is advanced before the cell is published. NO_LAP, a cell is only { hint }. NO_HELP, a
 * tail that lags is waited for (P4). EMPTY_BY_COUNTERS, isEmpty() compares head and tail.
 */
#ifndef LAP_BITS
#define LAP_BITS 2
#endif
#ifndef START
#define START 5
#endif
#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef TAKERS
#define TAKERS 2
#endif

#define LAPS (1 << LAP_BITS)
#define POSITIONS (2 * LAPS)
#define LAP(position) (((position) >> 1) & (LAPS - 1))
#define AT(position) ((position) & 1)
#define NEXT(position) (((position) + 1) % POSITIONS)
/* Of two positions that are less than half of the range apart. */
#define BEYOND(a, b) ((a) != (b) && ((a) + POSITIONS - (b)) % POSITIONS < LAPS)

/* A cell is lap * 4 + hint; hints are 1 and 2, one for each pusher. */
#define HINT(cell) ((cell) & 3)
#ifdef MUTANT_NO_LAP
#define AHEAD(cell, position) 0
#define TAKEN(lap) 0
#define EMPTY_CELL(lap) 0
#else
#define AHEAD(cell, position) ((((cell) >> 2) + LAPS - LAP(position)) & (LAPS - 1))
#define TAKEN(lap) ((((lap) + 1) & (LAPS - 1)) << 2)
#define EMPTY_CELL(lap) ((lap) << 2)
#endif

byte cells[2];
byte head = START;
byte tail = START;

/* What the properties count: positions that come next, what was published there. */
byte nextPublished = START;
byte nextTaken = START;
byte published[2];
byte pushersLeft = PUSHERS;

#define COUNT ((nextPublished + POSITIONS - nextTaken) % POSITIONS)

/* P1: ghosts of the two compare-and-swaps that count. */
inline notePublished(position, hint) {
  assert(position == nextPublished);
  assert(COUNT < 2);
  published[AT(position)] = hint;
  nextPublished = NEXT(nextPublished);
}

inline noteTaken(position, hint) {
  assert(position == nextTaken);
  assert(COUNT > 0);
  assert(published[AT(position)] == hint);
  nextTaken = NEXT(nextTaken);
}

inline advance(word, from) {
  if
  :: word == from -> word = NEXT(from)
  :: else
  fi;
  assert(!BEYOND(tail, nextPublished) && !BEYOND(head, nextTaken)) /* P2 */
}

proctype pusher(byte hint) {
  byte pushes = PUSHES;
  byte t, c;
  bit wasFull;
  do
  :: pushes == 0 -> break
  :: pushes > 0 ->
     do
     :: t = tail;
#ifdef MUTANT_TAIL_FIRST
        if
        :: atomic { tail == t && AHEAD(cells[AT(t)], t) == 0 && HINT(cells[AT(t)]) == 0 -> tail = NEXT(t) };
           atomic {
             cells[AT(t)] = EMPTY_CELL(LAP(t)) | hint;
             notePublished(t, hint);
             pushes--;
             break
           }
        :: else
        fi
#else
        atomic { c = cells[AT(t)]; wasFull = (COUNT == 2) };
        if
        :: atomic {
             AHEAD(c, t) == 0 && HINT(c) == 0 ->
             if
             :: cells[AT(t)] == c ->
                cells[AT(t)] = c | hint;
                notePublished(t, hint)
             :: else -> c = 0; t = 0; goto again
             fi
           };
           atomic { advance(tail, t); pushes--; break }
        :: atomic {
             AHEAD(c, t) == 1 || (AHEAD(c, t) == 0 && HINT(c) != 0) ->
#ifndef MUTANT_NO_HELP
             advance(tail, t)
#endif
           }
        :: atomic {
             AHEAD(c, t) > 1 ->
             if
             :: tail == t ->
                assert(wasFull); /* P3 */
                break
             :: else
             fi
           }
        fi;
again:
#endif
        skip
     od;
progress_push:
     atomic { t = 0; c = 0; wasFull = 0 }
  od;
  pushersLeft--
}

proctype taker() {
  byte h, c;
  bit wasEmpty, last, got;
  do
  :: last = (pushersLeft == 0);
     /* take() */
     do
     :: h = head;
        atomic { c = cells[AT(h)]; wasEmpty = (COUNT == 0) };
        if
        :: atomic {
             AHEAD(c, h) == 0 && HINT(c) == 0 ->
             assert(wasEmpty); /* P3 */
             break
           }
        :: atomic {
             AHEAD(c, h) == 0 && HINT(c) != 0 ->
             if
             :: cells[AT(h)] == c ->
                cells[AT(h)] = TAKEN(LAP(h));
                noteTaken(h, HINT(c));
                got = 1
             :: else -> c = 0; h = 0; goto again
             fi
           };
           atomic {
             advance(head, h);
             break
           }
        :: atomic { AHEAD(c, h) == 1 -> advance(head, h) }
        :: AHEAD(c, h) > 1
        fi;
again:
        skip
     od;
progress_take:
     atomic { h = 0; c = 0; wasEmpty = 0 };
     if
     :: atomic { got -> got = 0 }
     :: else ->
        /* isEmpty(), the second look */
        do
        :: h = head;
#ifdef MUTANT_EMPTY_BY_COUNTERS
           atomic { wasEmpty = (COUNT == 0); assert(h != tail || wasEmpty) };
           break
#else
           atomic { c = cells[AT(h)]; wasEmpty = (COUNT == 0) };
           if
           :: atomic {
                AHEAD(c, h) == 0 ->
                assert((HINT(c) == 0) == wasEmpty); /* P3 */
                break
              }
           :: atomic { AHEAD(c, h) == 1 -> advance(head, h) }
           :: AHEAD(c, h) > 1
           fi
#endif
        od;
progress_look:
        atomic { h = 0; c = 0 };
        if
        :: atomic { wasEmpty && last -> assert(nextTaken == nextPublished); break }
        :: else
        fi;
        atomic { wasEmpty = 0; last = 0 }
     fi
  od
}

init {
  byte i;
  atomic {
    cells[AT(START)] = EMPTY_CELL(LAP(START));
    cells[AT(START + 1)] = EMPTY_CELL(LAP(START + 1));
    for (i : 1 .. PUSHERS) { run pusher(i) }
    for (i : 1 .. TAKERS) { run taker() }
    i = 0
  }
}
