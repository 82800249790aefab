/*
 * A slot: src/slots/word.ts and table.ts, with their users: src/reactor/poller.ts (deliverBatch), src/reactor/strands.ts
 * (arm, finish, handOver, beginEnd, end, abandon, request), src/sources/registrar.ts (adopt), src/sources/fd-source.ts
 * (turn, #last), and reapSlots, finishClosing and reapPoller of src/supervision/reaper.ts. One number, one slot.
 *
 * WORKERS workers take hints, a poller delivers, a forcer requests the end with a handle that may be old, a registrar gets
 * the number from the kernel again and again (FILES files), and the peer makes the file readable DATA times. The kernel is
 * oneshot or edge-triggered (EDGE), and forgets a file when it is closed. Up to DEATHS threads vanish at any step, and
 * begin anew once they are reaped. Generations begin at START and wrap: GENERATIONS in the word, ALL_GENERATIONS beside it.
 *
 * Left out, and why:
 * - A load and the compare-and-swap that confirms it are one step. The ring is a count of hints (ring.pml), who sleeps is
 *   in parking.pml. The poller is a thread of its own: which thread polls does not matter to the slot.
 * - Ready bits other than one, CONTROL, disable and manual re-arming: they take the same ways as FORCED.
 * - Descriptors that were duplicated or closed behind the library's back (G10), borrowed ones, `add` of a number that the
 *   app names. A registrar that vanishes: it is the app's thread here.
 * - STREAM: 1 is a socket that the library made, closed without EPOLL_CTL_DEL; 0 is another descriptor that it owns.
 *
 * Properties:
 * - S1  One owner at a time (G1, W1), and only the owner finishes, closes and ends.
 * - S2  In a state without a step the slot is free, or armed and nothing is readable: no event was lost (G2).
 * - S3  The close handler begins at most once for a file, nothing of that file runs after it, and a promised end comes (at
 *       most, if a worker has died).
 * - S4  Bits and requests reach the file that they are of (G3, R4).
 * - S5  epoll_ctl and close find the file that they mean (R1, R5, G4), and no file is left open by a free slot.
 *
 * Mutants: NO_GENERATION, deliver() does not compare it. READY_APART, the bit is set in another step than the check.
 * FINISH_FORGETS, finish() ignores bits that were collected. MOD_AFTER_ARMED, the re-arm comes after ARMED. END_LATE, the
 * generation ends after close(fd), and takeOver() does not ask for that. FREE_BLIND, free() is a store.
 *
 * GAP_LEAK: a worker that vanishes in end() between EPOLL_CTL_DEL and close(fd), so with STREAM=0 only, leaves the
 * descriptor open: finishClosing() takes the ENOENT of its own DEL for "closed already".
 * GAP_REASON: a registrar may take the slot over between the reaper's look at the owner and giveReason(), which then
 * blames, and clears the running mark of, the new registration.
 */
#ifndef EDGE
#define EDGE 0
#endif
#ifndef STREAM
#define STREAM 1
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef FILES
#define FILES 2
#endif
#ifndef DATA
#define DATA 2
#endif
#ifndef FORCES
#define FORCES 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define GENERATIONS 4 /* in the word */
#define ALL_GENERATIONS 8
#define START 3 /* so that the word's wraps at once */
#define LOW(generation) ((generation) % GENERATIONS)

#define NOBODY 0
#define REGISTRAR 3
#define SUPERVISOR 4
#define POLLER 5

mtype = { FREE, ARMED, QUEUED, ACTIVE, CLOSING };

/* The word, changed in one step only; and the full generation beside it. */
mtype state = FREE;
byte word = LOW(START); /* its generation */
byte owner;
bit ready, forced;
byte generation = START;

byte hints;
byte batch; /* generation + 1 of the event that the poller has not delivered yet, 0 for none */

/* The kernel: the file that has the number, and the registration, which ends with the file. Files count from 1. */
byte file;
bit available;
bit watched, armed, edge;
byte data;

/* For the properties only. */
byte lastFile;
byte slotFile; /* the file of the slot's registration */
byte readyFile; /* the file that the ready bit is of */
byte batchFile;
byte handleFile, handle; /* what a forcer may hold: a file, and generation + 1 */
byte promised; /* bitmap of the files whose end was promised to a forcer */
byte closed; /* bitmap of the files whose close handler has begun */
bit handled; /* a handler runs */
byte doomed;
bit gone, absent, crashed; /* the doomed one has stopped; and is not back yet; a worker has died */
byte deaths = DEATHS, left;

#define BIT(f) (1 << (f))
#define LIVE (state != FREE && state != CLOSING)
#define OWNED(s, me) (state == s && owner == me)

inline push() {
  hints++;
  assert(hints < 6)
}

/* R1: who calls epoll_ctl or close for a number must find the file there that it means. */
inline closeNumber(mine) {
  atomic {
    assert(file == mine);
    file = 0;
    available = 0;
    watched = 0;
    armed = 0;
    edge = 0
  }
}

/* W4: bits that an armed slot knows already need no turn. */
#ifdef MUTANT_READY_APART
#define READY_WAS 0
#else
#define READY_WAS 1
#endif

/* SlotTable.deliver() and the push; g is the event's generation. */
inline deliver(g, must) {
#ifndef MUTANT_NO_GENERATION
  if
  :: generation == g
  :: generation != g -> goto delivered
  fi;
#endif
#ifdef MUTANT_READY_APART
  if
  :: word == LOW(g) && LIVE
  :: else -> goto delivered
  fi;
  atomic { ready = 1; readyFile = batchFile };
#endif
  atomic {
    if
#ifdef MUTANT_NO_GENERATION
    :: LIVE ->
#else
    :: word == LOW(g) && LIVE ->
#endif
       must = (state == ARMED && !(ready && READY_WAS));
       ready = 1;
       readyFile = batchFile;
       if
       :: must -> state = QUEUED
       :: else
       fi
    :: else
    fi
  };
  if
  :: must -> atomic { push(); must = 0 }
  :: !must
  fi;
delivered:
  atomic { batch = 0; batchFile = 0; must = 0; g = 0 }
}

/* ACTIVE -> ARMED or QUEUED; `leftover` is what was not exhausted. */
inline finish(me, leftover, must) {
  atomic {
    assert(OWNED(ACTIVE, me));
    owner = NOBODY;
    if
    :: leftover -> ready = 1; readyFile = slotFile
    :: else
    fi;
#ifdef MUTANT_FINISH_FORGETS
    must = (forced || leftover);
#else
    must = (forced || ready);
#endif
    if
    :: must -> state = QUEUED
    :: else -> state = ARMED
    fi
  };
  if
  :: must -> atomic { push(); must = 0 }
  :: !must
  fi
}

inline close(me) {
  atomic {
    assert(OWNED(ACTIVE, me));
    state = CLOSING;
    ready = 0;
    forced = 0;
    readyFile = 0
  }
}

inline free(me) {
  atomic {
    if
#ifdef MUTANT_FREE_BLIND
    :: true ->
#else
    :: OWNED(CLOSING, me) ->
#endif
       state = FREE;
       owner = NOBODY;
       word = (word + 1) % GENERATIONS;
       ready = 0;
       forced = 0;
       slotFile = 0
    :: else
    fi
  }
}

#define END_GENERATION generation = (generation + 1) % ALL_GENERATIONS

proctype worker(byte me) {
  bit tookReady, tookForced, must, leftover;
  byte mine;
#if DEATHS
  do
  :: {
#endif
end:
    do
    :: atomic { hints > 0 -> hints-- };
       if
       :: state != QUEUED
       :: atomic {
            /* claim */
            state == QUEUED -> state = ACTIVE;
            owner = me;
            tookReady = ready;
            tookForced = forced;
            ready = 0;
            forced = 0;
            mine = slotFile;
            assert(!tookReady || readyFile == mine); /* S4 */
            readyFile = 0;
            assert(!handled); /* S1 */
            assert(!(closed & BIT(mine))); /* S3 */
            handled = 1
          };
          if
          :: atomic { tookForced -> tookForced = 0; tookReady = 0 };
             goto last
          :: atomic { !tookForced && !tookReady -> leftover = 0 }
          :: atomic { !tookForced && tookReady -> tookReady = 0 };
             /* The handler: reads all, or leaves something, or asks for the end. */
             if
             :: atomic { available -> available = 0; assert(file == mine) }
             :: !available
             :: leftover = EDGE
             :: goto last
             fi
          fi;
          handled = 0;
#if EDGE
          atomic { mine = 0; finish(me, leftover, must) };
          leftover = 0
#else
#ifdef MUTANT_MOD_AFTER_ARMED
          finish(me, 0, must);
          atomic { assert(file == mine); armed = watched; mine = 0 }
#else
          atomic { assert(file == mine); armed = watched; mine = 0 };
          finish(me, 0, must)
#endif
#endif
       fi;
       goto next;
last:
       /* #last: the close handler, and Strands.end() */
       close(me);
       atomic { assert(!(closed & BIT(mine))); closed = closed | BIT(mine) };
       handled = 0;
#if !STREAM
       atomic { assert(file == mine && watched); watched = 0; armed = 0; edge = 0 };
#endif
#ifndef MUTANT_END_LATE
       atomic { assert(OWNED(CLOSING, me)); END_GENERATION };
#endif
       closeNumber(mine);
#ifdef MUTANT_END_LATE
       atomic { assert(OWNED(CLOSING, me)); END_GENERATION };
#endif
       free(me);
       mine = 0;
next:
       skip
    od
#if DEATHS
  } unless { atomic { doomed == me -> gone = 1; absent = 1; crashed = 1 } };
  atomic { doomed != me -> absent = 0; tookReady = 0; tookForced = 0; must = 0; leftover = 0; mine = 0 }
  od
#endif
}

active proctype poller() {
  bit must;
  byte g;
#if DEATHS
  do
  :: {
#endif
end:
    do
    :: atomic {
#if EDGE
         watched && edge -> edge = 0;
#else
         watched && armed && available -> armed = 0;
#endif
         batch = data;
         batchFile = file
       };
       g = batch - 1;
       deliver(g, must)
    od
#if DEATHS
  } unless { atomic { doomed == POLLER -> gone = 1; absent = 1 } };
  atomic { doomed != POLLER -> absent = 0; must = 0; g = 0 }
  od
#endif
}

/* Registrar.adopt() in a thread that lives, with descriptors that the kernel has just made; handOver(). */
active proctype registrar() {
  bit must;
  byte w, g;
end:
  do
  :: atomic { left > 0 && file == 0 -> file = lastFile + 1; assert(!available && !watched) };
     if
     :: atomic { state == FREE -> state = ACTIVE; owner = REGISTRAR }
     :: atomic { state == CLOSING -> w = word };
#ifdef MUTANT_END_LATE
        if
        :: atomic { state == CLOSING && word == w -> state = ACTIVE; owner = REGISTRAR; word = (w + 1) % GENERATIONS; w = 0 }
        :: else -> goto moved
        fi
#else
        if
        :: atomic { LOW(generation) == w -> w = 0 };
           goto moved
        :: atomic { LOW(generation) != w -> skip };
           if
           :: atomic {
                state == CLOSING && word == w -> state = ACTIVE;
                owner = REGISTRAR;
                word = (word + 1) % GENERATIONS;
                w = 0
              }
           :: atomic { !(state == CLOSING && word == w) -> w = 0 };
              goto moved
           fi
        fi
#endif
     :: state != FREE && state != CLOSING -> goto moved
     fi;
     atomic {
       left--;
       lastFile++;
       slotFile = lastFile;
       assert(!handled);
       g = generation;
       assert(LOW(g) == word)
     };
     /* EPOLL_CTL_ADD, which reports what is there already. It may fail: then the slot is abandoned. */
     if
     :: atomic {
          assert(file == slotFile && owner == REGISTRAR);
          watched = 1;
          armed = 1;
          edge = available;
          data = g + 1
        };
        atomic { handle = g + 1; handleFile = slotFile; g = 0 };
        finish(REGISTRAR, 0, must)
     :: atomic { g = 0; closed = closed | BIT(slotFile) };
        close(REGISTRAR);
        END_GENERATION;
        free(REGISTRAR);
        closeNumber(lastFile)
     fi;
     goto next;
moved:
     /* The slot is somebody else's still: the file moves to another number, and this one is free again. */
     atomic { file = 0; available = 0 };
next:
     skip
  od
}

/* Registration.force() with a handle that may be old. */
active proctype forcer() {
  byte forces = FORCES;
  byte g, f;
  bit must;
end:
  do
  :: atomic { forces > 0 && handle != 0 -> forces--; g = handle - 1; f = handleFile };
     if
     :: generation != g
     :: generation == g ->
        atomic {
          if
          :: word == LOW(g) && LIVE ->
             assert(slotFile == f); /* S4 */
             forced = 1;
             promised = promised | BIT(f);
             must = (state == ARMED);
             if
             :: must -> state = QUEUED
             :: else
             fi
          :: else
          fi
        };
        if
        :: must -> atomic { push(); must = 0 }
        :: !must
        fi
     fi;
     atomic { g = 0; f = 0 }
  od
}

/* The peer of the file, and who dies when. */
active proctype world() {
  byte writes = DATA;
end:
  do
  :: atomic { writes > 0 && file != 0 -> writes--; available = 1; edge = watched }
#if DEATHS
  :: atomic {
       deaths > 0 && doomed == 0 && !absent -> deaths--;
       if
       :: doomed = 1
       :: doomed = 2
       :: doomed = POLLER
       fi
     }
#endif
  od
}

#if DEATHS
/* src/supervision/reaper.ts: reapSlots(), finishClosing(), reapPoller(). */
active proctype reaper() {
  bit removed, ended, must;
  byte g, mine;
end:
  do
  :: atomic { gone -> gone = 0 };
     if
     :: owner == doomed && owner != NOBODY ->
        /* giveReason(), exchangeRunning(): of whichever registration has the slot now. */
        atomic {
#ifdef GAP_REASON
          assert(owner == doomed);
#endif
          if
          :: owner == doomed -> handled = 0
          :: else
          fi
        };
        if
        :: atomic { owner != doomed -> skip } /* taken over meanwhile */
        :: atomic { OWNED(ACTIVE, doomed) -> owner = NOBODY; forced = 1; state = QUEUED };
           push()
        :: atomic { OWNED(CLOSING, doomed) -> owner = SUPERVISOR; state = ACTIVE; mine = slotFile };
           ended = (word != LOW(generation));
           /* EPOLL_CTL_DEL: ENOENT for a file that is not registered, or no file */
           atomic {
             removed = (file != 0 && watched);
             assert(!removed || file == mine);
             watched = 0;
             armed = 0;
             edge = 0
           };
           if
           :: atomic { !ended -> END_GENERATION }
           :: ended
           fi;
           if
           :: removed -> closeNumber(mine)
           :: !removed
           fi;
           close(SUPERVISOR);
           free(SUPERVISOR);
           atomic { removed = 0; ended = 0; mine = 0 }
        fi
     :: state == QUEUED && owner != doomed -> push()
     :: else
     fi;
     if
     :: doomed == POLLER && batch != 0 ->
        g = batch - 1;
        deliver(g, must)
     :: else
     fi;
     doomed = 0
  od
}
#endif

init {
  byte i;
  atomic {
    select(left : 1 .. FILES);
    for (i : 1 .. WORKERS) { run worker(i) }
    i = 0
  }
}

/* Nobody can do anything any more. */
active proctype rest() {
end:
  timeout ->
  assert(hints == 0 && batch == 0 && doomed == 0);
  assert(state == FREE || state == ARMED); /* S2 */
  assert(state == FREE || !forced);
  assert(state == FREE || !available); /* S2 */
  assert(state == FREE || file == slotFile);
#if STREAM || !DEATHS || defined(GAP_LEAK)
  assert(state != FREE || file == 0); /* S5: closed, not leaked */
#endif
  assert(LOW(generation) == word);
  assert(crashed || (promised & ~closed) == 0) /* S3 */
}
