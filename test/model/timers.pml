/*
 * Times: src/slots/timeouts.ts (touch, begin, setDeadline, expire, judge, timerPeriods, takePeriods, endTimer, resetTimer, markAll),
 * src/sync/marks.ts, src/reactor/timekeeper.ts (run, rest, #step, #look), src/reactor/stretches.ts (endOf), src/reactor/monitor.ts
 * (run, rest), Strands.schedule, Strands.setDeadline and startMonitor, and the turns of src/sources/fd-source.ts (turn, #timeout,
 * #after, #last, #timer, #takePeriods, #goOn). One slot, with an idle timeout and a deadline; or with TIMER=1 one timer.
 *
 * Time passes in whole units from 1 to LAST, between any two steps. WORKERS workers take hints; `world` makes the slot ready
 * EVENTS times; the first deadline is after FIRST, handlers set it to DELAY from then MOVES times; `app` disables and enables the slot SILENCES times, asks for its
 * end FORCES times and, of a timer, resets it RESETS times, as handlers do MOVES times. Up to DEATHS threads vanish, and up to
 * MONITOR_DEATHS monitors, which are replaced. REUSES more registrations get the slot.
 *
 * Left out, and why:
 * - Whole milliseconds and their rounding; stamps that wrap. Sources with more than one slot: the heap is one moment here.
 * - Who sleeps (parking.pml): a worker comes when there is a hint. A tick of the monitor that would do nothing has no step.
 * - Read and write timeouts: they are exact times of the owner's, as the deadline is. Periodic timers: as MOVES of handlers.
 * - That old moments are taken together (thinned()): it makes endOf() later.
 * - COARSE joins what only deaths could part: the three steps of a mark, a slot's compare-and-swap and its push, marking
 *   and telling the monitor; and with those the orders that MARK_FIRST and TAKE_BACKWARDS turn round.
 *
 * Properties:
 * - T1  Never early: an idle timeout is delivered IDLE after the end of the last activity or later, a deadline or timer when it
 *       is due or later; and it is the time that was set last (T2): a timer that was reset is not delivered for the old one.
 * - T3  Never lost: in a state without a step nothing is over and not delivered; and, with weak fairness, nothing is over for
 *       ever (-DLIVE). A timer that ends by itself was delivered after its last reset.
 * - T4  Timeouts are turns like others: one handler at a time, none after the end has begun, which begins once.
 *
 * Mutants: OWNER_JUDGES, the owner compares CLOCK with the activity. NO_STRETCH, the monitor takes every value of CLOCK for
 * a usual one. END_FIRST, it looks how long a value was current before it stores the next. NO_MARK_AFTER, a turn that looked
 * at the times does not mark. MARK_FIRST, a time is marked before it is stored. TAKE_BACKWARDS, the word over the marks is
 * cleared after them. REST_NO_LOOK, the monitor rests without a look at the marks. REST_LATE_SLEEP, it looks before it says
 * that it sleeps. TAKE_BY_STORE, a timer's time is taken without a comparison. END_BY_STORE, so is its end. NO_MARK_ALL, the
 * reaper does not mark. NEW_MONITOR_FORGETS, what was marked for a dead monitor is not marked again.
 *
 * GAP_RESET: the time of a timer does not tell its generation. A reset through a handle of the timer before, which sleeps
 * between its load of the time and its swap while that timer ends and a new one begins whose time is the very same
 * millisecond, moves the new one's time until it sees that and puts the time back. And one that has swapped the time of a timer
 * that was just ending, and sleeps before it puts it back, does so to a new one that began with the very time of the reset:
 * that is then delivered early, or never. The other cases compare the generation in both swaps, and hold.
 */
#ifndef TIMER
#define TIMER 0
#endif
#ifndef LAST
#define LAST 6
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef EVENTS
#define EVENTS 1
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef SILENCES
#define SILENCES 0
#endif
#ifndef FORCES
#define FORCES 0
#endif
#ifndef RESETS
#define RESETS 0
#endif
#ifndef REUSES
#define REUSES 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef MONITOR_DEATHS
#define MONITOR_DEATHS 0
#endif
#ifndef IDLE
#define IDLE 2
#endif
#ifndef FIRST
#define FIRST 2
#endif
#ifndef DELAY
#define DELAY 2
#endif
#ifndef USUAL
#define USUAL 1
#endif

#ifndef COARSE
#define COARSE 0
#endif
#if COARSE
#define JOIN atomic
#else
#define JOIN
#endif

#define NEVER 255
#define NO_STAMP 0
#define STAMP_OVER 254
#define VALUES (LAST + 8)
#define BIT(w) (1 << (w))
#define NOBODY 0
#define RESETTER 3
#define SUPERVISOR 4

mtype = { FREE, ARMED, QUEUED, ACTIVE, DISABLED, CLOSING };
mtype = { NOTHING, IDLE_OVER, DUE };

byte now = 1;

/* The slot's word, its generation, the mailbox, its times. */
mtype state = FREE;
byte owner;
bit ready, timerFlag, forcedFlag, controlFlag;
byte generation;
bit silent;
byte due;
#if !TIMER
byte activity;
byte judged;
#endif
byte hints;

byte coarse = 1; /* CLOCK */
bit marked, above, any; /* the marks: the slot's bit, the one above it, the word */
byte runnable;
bit monitorAwake = 1;
bit monitorSleeps;

/* What the monitor knows: the moment at which it is to look at the slot, and until when values of CLOCK were current. */
byte heap = NEVER;
byte ended[VALUES];
byte current = 1, seen = 1;

/* For the properties, and what may still happen. */
byte lastActive;
byte wanted; /* the time that was set last */
bit handled, closed;
byte touching; /* how many are about to store a value of CLOCK */
bit owed; /* a reset that was accepted and not delivered */
byte doomed;
bit gone, absent, monitorDoomed, monitorGone, monitorReborn;
byte events, moves = MOVES, forces = FORCES, silences = SILENCES, resets = RESETS, reuses = REUSES;
byte deaths = DEATHS, monitorDeaths = MONITOR_DEATHS;

#define LIVE_SLOT (state != FREE && state != CLOSING)

inline push() {
  hints++;
  assert(hints < 6)
}

/* Dispatcher.startMonitor() */
inline startMonitor() {
  JOIN {
    if
    :: monitorAwake
    :: atomic { !monitorAwake -> monitorAwake = 1 };
       monitorSleeps = 0
    fi
  }
}

/* Marks.add() */
inline mark() {
  JOIN {
    marked = 1;
    above = 1;
    any = 1
  }
}

/* Strands.schedule() */
inline schedule() {
  mark();
  startMonitor()
}

/* SlotTable.request() and the push. */
inline request(g, flag, must) {
  JOIN {
    atomic {
      if
      :: LIVE_SLOT && generation == g ->
         flag = 1;
         must = (state == ARMED || state == DISABLED);
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
  }
}

/* Timeouts.touch(): a load and a store; the activity is of the moment of the load at the latest. */
inline touch(x) {
#if !TIMER
  atomic { x = coarse; lastActive = now; touching++ };
  atomic { activity = x; x = 0; touching-- }
#else
  skip
#endif
}

/* SlotTable.finish() and the push. */
inline finish(me, leftover, quiet, must) {
  JOIN {
    atomic {
      assert(state == ACTIVE && owner == me);
      owner = NOBODY;
      ready = ready || leftover;
      if
      :: timerFlag || forcedFlag || controlFlag -> state = QUEUED; must = 1
      :: else ->
         if
         :: quiet -> state = DISABLED
         :: !quiet && ready -> state = QUEUED; must = 1
         :: !quiet && !ready -> state = ARMED
         fi
      fi
    };
    if
    :: must -> atomic { push(); must = 0 }
    :: !must
    fi
  }
}

/* Strands.beginEnd() and end(). */
inline endSlot(me) {
  atomic {
    assert(state == ACTIVE && owner == me);
    assert(!closed); /* T4 */
    closed = 1;
    state = CLOSING;
    ready = 0;
    timerFlag = 0;
    forcedFlag = 0;
    controlFlag = 0
  };
  generation = (generation + 1) % 4;
  atomic { assert(state == CLOSING && owner == me); state = FREE; owner = NOBODY }
}

#define BEGIN_HANDLER assert(!handled && !closed && state == ACTIVE && owner == me); handled = 1 /* T4 */

proctype worker(byte me) {
  bit tookReady, tookTimer, tookForced, tookControl, quiet, must;
  byte x, d;
  mtype over = NOTHING;
#if DEATHS
  do
  :: {
#endif
end:
    do
    :: atomic { hints > 0 -> runnable = runnable | BIT(me) };
       startMonitor();
       if
       :: atomic { hints > 0 -> hints-- };
          if
          :: state != QUEUED
          :: atomic {
               state == QUEUED -> state = ACTIVE;
               owner = me;
               tookReady = ready;
               tookTimer = timerFlag;
               tookForced = forcedFlag;
               tookControl = controlFlag;
               ready = 0;
               timerFlag = 0;
               forcedFlag = 0;
               controlFlag = 0
             };
             if
             :: atomic { tookForced -> tookForced = 0; tookReady = 0; tookTimer = 0; tookControl = 0 };
                goto last
             :: atomic { !tookForced -> quiet = silent }
             fi;
#if TIMER
             /* #takePeriods() */
             if
             :: atomic { quiet -> over = NOTHING }
             :: !quiet ->
again:
                d = due;
                if
                :: d == NO_STAMP || d == STAMP_OVER || d > now
                :: d != NO_STAMP && d != STAMP_OVER && d <= now ->
                   if
#ifdef MUTANT_TAKE_BY_STORE
                   :: atomic { true -> due = NO_STAMP; over = DUE; assert(now >= wanted); owed = 0 }
#else
                   :: atomic {
                        due == d -> due = NO_STAMP;
                        over = DUE;
                        assert(now >= wanted); /* T1 */
                        owed = 0
                      }
                   :: atomic { due != d -> skip };
                      goto again
#endif
                   fi
                fi
             fi;
             d = 0;
#else
             /* #timeout(): what is delivered in this turn ends the silence. */
             if
             :: atomic { !quiet && (tookTimer || tookControl) -> skip };
                if
                :: tookReady -> touch(x)
                :: !tookReady
                fi;
                /* expire() */
                x = now;
                if
                :: atomic {
                     due != NO_STAMP && due <= x -> due = NO_STAMP;
                     over = DUE;
                     assert(now >= wanted) /* T1 */
                   }
                :: due == NO_STAMP || due > x ->
                   if
#ifdef MUTANT_OWNER_JUDGES
                   :: atomic { coarse >= activity + IDLE + USUAL ->
#else
                   :: atomic { activity == judged ->
#endif
                        over = IDLE_OVER;
                        assert(now >= lastActive + IDLE); /* T1 */
                        activity = x;
                        lastActive = x
                      }
#ifdef MUTANT_OWNER_JUDGES
                   :: coarse < activity + IDLE + USUAL
#else
                   :: activity != judged
#endif
                   fi
                fi;
                x = 0;
#ifndef MUTANT_NO_MARK_AFTER
                schedule()
#endif
             :: quiet || !(tookTimer || tookControl)
             fi;
#endif
             atomic { tookTimer = 0; tookControl = 0 };
             if
             :: quiet || (!tookReady && over == NOTHING) -> skip
             :: atomic { !quiet && (tookReady || over != NOTHING) -> tookReady = 0; over = NOTHING; BEGIN_HANDLER };
                if
                :: skip
                :: atomic { moves > 0 -> moves--; d = now + DELAY };
#if TIMER
                   /* resetTimer(), in its own handler: nobody else can end it. */
#ifdef MUTANT_MARK_FIRST
                   schedule();
#endif
                   atomic { due = d; wanted = d; owed = 1; d = 0 };
#else
#ifdef MUTANT_MARK_FIRST
                   schedule();
#endif
                   atomic { due = d; wanted = d; d = 0 };
#endif
#ifndef MUTANT_MARK_FIRST
                   schedule()
#else
                   skip
#endif
#if FORCES
                :: atomic { handled = 0; goto last } /* the handler asks for the end */
#endif
                fi;
                handled = 0;
                touch(x);
                quiet = silent
             fi;
#if TIMER
             /* #goOn(): endTimer() */
             if
#ifdef MUTANT_END_BY_STORE
             :: due == NO_STAMP ->
                due = STAMP_OVER;
#else
             :: atomic { due == NO_STAMP -> due = STAMP_OVER };
#endif
                atomic { assert(!owed); tookReady = 0; quiet = 0 }; /* T3 */
                endSlot(me)
             :: due != NO_STAMP ->
                if
#ifndef MUTANT_NO_MARK_AFTER
                :: !quiet -> schedule()
                :: quiet
#else
                :: skip
#endif
                fi;
                finish(me, 0, quiet, must);
                atomic { quiet = 0; tookReady = 0 }
             fi
#else
             finish(me, tookReady, quiet, must);
             atomic { quiet = 0; tookReady = 0 }
#endif
          fi
       :: hints == 0
       fi;
       goto next;
last:
#if !TIMER
       /* The last delivery is a handler too. */
       assert(!handled && !closed);
#endif
       endSlot(me);
next:
       runnable = runnable & ~BIT(me)
    od
#if DEATHS
  } unless { atomic { doomed == me -> gone = 1; absent = 1; touching = (owner == me -> 0 : touching) } };
  atomic {
    doomed != me -> absent = 0;
    tookReady = 0; tookTimer = 0; tookForced = 0; tookControl = 0; quiet = 0; must = 0; x = 0; d = 0; over = NOTHING
  }
  od
#endif
}

#define QUIET (runnable == 0 && hints == 0)
#define MAX(a, b) ((a) > (b) -> (a) : (b))
/* Stretches.endOf(); the value that is current has not ended yet. */
#ifdef MUTANT_NO_STRETCH
#define LONGEST(value) 0
#else
#define LONGEST(value) ended[value]
#endif
#ifdef MUTANT_CURRENT_ENDS
#define END_OF(value) MAX((value) + USUAL, LONGEST(value))
#else
#define END_OF(value) MAX((value) + USUAL, ((value) >= current -> seen : LONGEST(value)))
#endif

/* Values that nobody can bring any more are forgotten: it would be states that do not differ. */
#if TIMER
#define FORGET
#else
#define FORGET \
  for (to : 1 .. current - 1) { \
    if \
    :: touching == 0 && to != activity -> ended[to] = 0 \
    :: else \
    fi \
  }
#endif

/* Timekeeper.#step(): the value before was current until the store, so until the moment that is looked up after it. */
inline step(to) {
  if
  :: to > current ->
#ifdef MUTANT_END_FIRST
     seen = now;
     coarse = to;
#else
     coarse = to;
     seen = now;
#endif
     atomic {
       if
       :: seen - current > USUAL && seen > current -> ended[current] = seen
       :: else
       fi;
       current = to;
       assert(current < VALUES);
       FORGET;
       to = 0
     }
  :: to <= current ->
     atomic { seen = now; to = 0 }
  fi
}

/* Timekeeper.#look() */
inline look(g, a, d, made) {
  g = generation;
  if
  :: !LIVE_SLOT || generation != g -> heap = NEVER
  :: LIVE_SLOT && generation == g ->
#if TIMER
     d = due;
     atomic {
       if
       :: d == NO_STAMP || d == STAMP_OVER -> d = NEVER
       :: else
       fi
     };
     if
     :: atomic { d > seen -> heap = d }
     :: atomic { d <= seen -> heap = NEVER };
        request(g, timerFlag, must);
        made = 1
     fi
#else
     a = activity;
     d = due;
     atomic {
       if
       :: d == NO_STAMP -> d = NEVER
       :: else
       fi
     };
     if
     :: atomic { d > seen && END_OF(a) + IDLE > seen ->
          if
          :: d < END_OF(a) + IDLE -> heap = d
          :: else -> heap = END_OF(a) + IDLE
          fi
        }
     :: atomic { d <= seen || END_OF(a) + IDLE <= seen -> heap = NEVER };
        if
        :: END_OF(a) + IDLE <= seen -> judged = a
        :: END_OF(a) + IDLE > seen
        fi;
        request(g, timerFlag, must);
        made = 1
     fi
#endif
  fi;
  atomic { g = 0; a = 0; d = 0 }
}

/* Timekeeper.run(): the clock, Marks.take(), what is due. */
inline run_(made) {
  x = now;
  step(x);
  if
  :: any ->
#ifndef MUTANT_TAKE_BACKWARDS
     any = 0;
#endif
     if
     :: atomic { above -> above = 0 };
        if
        :: atomic { marked -> marked = 0 };
           look(g, a, d, made)
        :: !marked
        fi
     :: !above
     fi
#ifdef MUTANT_TAKE_BACKWARDS
     ;
     any = 0
#endif
  :: !any
  fi;
  if
  :: heap <= seen -> look(g, a, d, made)
  :: heap > seen
  fi
}

/* Monitor.run() and rest(). */
active proctype monitor() {
  byte x, g, a, d;
  bit made, must;
#if MONITOR_DEATHS
  do
  :: {
#endif
end:
    do
    :: atomic { now > current || any || heap <= now -> skip };
       run_(made);
       made = 0
    :: atomic { QUIET && now >= current && !any && heap > now -> skip };
       do
#ifdef MUTANT_REST_LATE_SLEEP
       :: if
          :: !QUIET -> break
          :: QUIET
          fi;
          x = MAX(now, current + 1);
          step(x);
          if
          :: any -> skip
          :: !any ->
             monitorAwake = 0;
#else
       :: monitorAwake = 0;
          if
          :: !QUIET -> break
          :: QUIET
          fi;
          /* Timekeeper.rest() */
          x = MAX(now, current + 1);
          step(x);
          if
#ifdef MUTANT_REST_NO_LOOK
          :: skip ->
#else
          :: any
          :: !any ->
#endif
#endif
endSleep:
             if
             :: atomic { !monitorAwake -> monitorSleeps = 1 };
                if
                :: monitorSleeps == 0 -> break
                :: atomic { heap <= now -> monitorSleeps = 0 }
                fi
             :: monitorAwake -> break
             fi
          fi;
          run_(made);
          if
          :: atomic { made -> made = 0 };
             break
          :: !made
          fi
       od;
       monitorAwake = 1
    od
#if MONITOR_DEATHS
  } unless { atomic { monitorDoomed -> monitorDoomed = 0; monitorGone = 1 } };
  /* Supervisor.#startMonitor() has marked and set the clock; then Timekeeper's beginning. */
  atomic { monitorReborn -> monitorReborn = 0; x = 0; g = 0; a = 0; d = 0; made = 0; must = 0; heap = NEVER; monitorSleeps = 0 };
  x = now;
  coarse = x;
  atomic {
    seen = now;
    current = x;
    x = 0;
    do
    :: x == current -> break
    :: else -> ended[x] = MAX(ended[x], seen); x++
    od;
    x = 0
  };
  monitorAwake = 1
  od
#endif
}

#if MONITOR_DEATHS
active proctype supervisor() {
  byte x;
end:
  do
  :: atomic { monitorGone -> monitorGone = 0 };
#ifndef MUTANT_NEW_MONITOR_FORGETS
     mark();
#endif
     x = now;
     atomic { coarse = x; x = 0 };
     monitorReborn = 1
  od
}
#endif

/* Registrar.adopt(): begin(), or beginTimer(); then the slot is its own, and it marks it. */
active proctype registrar() {
  byte x;
  bit must;
end:
  do
  :: atomic { state == FREE && (generation == 0 || reuses > 0) ->
       if
       :: generation != 0 -> reuses--
       :: else
       fi;
       assert(!handled);
       state = ACTIVE;
       owner = SUPERVISOR;
       closed = 0;
       silent = 0
     };
     x = now;
#if TIMER
     atomic { due = x + FIRST; wanted = due; owed = 0 };
#else
     atomic { due = x + FIRST; wanted = due };
     judged = NO_STAMP;
     atomic { activity = x; lastActive = x };
#endif
     x = 0;
     schedule();
     finish(SUPERVISOR, 0, 0, must)
  od
}

/* Time, and the peer. */
active proctype time() {
end:
  do
  :: now < LAST && generation + (state != FREE) > 0 -> now++ /* it begins with the first registration */
  od
}

#if EVENTS
active proctype world() {
  bit must;
end:
  do
  :: atomic {
       events > 0 && LIVE_SLOT -> events--;
       must = (state == ARMED && !ready);
       ready = 1;
       if
       :: must -> state = QUEUED
       :: else
       fi
     };
     if
     :: must -> atomic { push(); must = 0 }
     :: !must
     fi
  od
}
#endif

/* What no word of 32 bits can tell as well. */
#ifdef GAP_RESET
#define SAME_TIMER true
#else
#define SAME_TIMER (generation == g)
#endif

/* Another thread: Registration.disable(), enable(), teardown(), Timer.reset() and cancel(). */
active proctype app() {
  byte g, x, d;
  bit must;
#if DEATHS
  do
  :: {
#endif
end:
    do
#if SILENCES
    :: atomic { silences > 0 && LIVE_SLOT -> g = generation; silences--; silent = 1 };
       request(g, controlFlag, must);
       atomic { silent = 0; x = 0 };
       request(g, controlFlag, must);
       g = 0
#endif
#if FORCES
    :: atomic { forces > 0 && LIVE_SLOT -> forces--; g = generation };
       request(g, forcedFlag, must);
       g = 0
#endif
#if TIMER && RESETS
    :: atomic { resets > 0 && LIVE_SLOT && due != NO_STAMP -> resets--; g = generation };
       d = now + DELAY;
       do
       :: x = due;
          if
          :: x == STAMP_OVER || !(LIVE_SLOT && generation == g) -> break
          :: x != STAMP_OVER && LIVE_SLOT && generation == g ->
             if
             :: atomic {
                  due == x && SAME_TIMER -> due = d;
                  if
                  :: LIVE_SLOT && generation == g -> wanted = d; owed = 1
                  :: else
                  fi
                };
                if
                :: !(LIVE_SLOT && generation == g) ->
                   atomic {
                     if
                     :: due == d && SAME_TIMER -> due = x
                     :: else
                     fi
                   }
                :: LIVE_SLOT && generation == g ->
                   if
                   :: x != NO_STAMP && x <= d
                   :: x == NO_STAMP || x > d -> schedule()
                   fi
                fi;
                break
             :: due != x || !SAME_TIMER
             fi
          fi
       od;
       atomic { g = 0; x = 0; d = 0 }
#endif
    :: false
    od
#if DEATHS
  } unless { atomic { doomed == RESETTER -> gone = 1; absent = 1 } };
  atomic { doomed != RESETTER -> absent = 0; g = 0; x = 0; d = 0; must = 0 }
  od
#endif
}

#if DEATHS || MONITOR_DEATHS
/* Who vanishes when. */
active proctype fate() {
end:
  do
#if DEATHS
  :: atomic {
       deaths > 0 && doomed == NOBODY && !absent -> deaths--;
       if
       :: doomed = 1
#if WORKERS > 1
       :: doomed = 2
#endif
#if RESETS
       :: doomed = RESETTER
#endif
       fi
     }
#endif
#if MONITOR_DEATHS
  :: atomic { monitorDeaths > 0 -> monitorDeaths--; monitorDoomed = 1 }
#endif
  od
}
#endif

#if DEATHS
/* src/supervision/reaper.ts: reapSlots(), markAll(); a timer goes on, a descriptor ends. */
active proctype reaper() {
end:
  do
  :: atomic { gone -> gone = 0 };
     if
     :: atomic {
          owner == doomed && state == ACTIVE -> owner = NOBODY;
          handled = 0;
#if TIMER
          owed = 0; /* what it had taken is told to be lost */
          controlFlag = 1;
#else
          forcedFlag = 1;
#endif
          state = QUEUED
        };
        push()
     :: atomic { owner == doomed && state == CLOSING -> owner = SUPERVISOR };
        atomic { generation = (generation + 1) % 4; state = FREE; owner = NOBODY }
     :: state == QUEUED -> push()
     :: else
     fi;
#ifndef MUTANT_NO_MARK_ALL
     mark();
#endif
     runnable = runnable & ~BIT(doomed);
     startMonitor();
     monitorSleeps = 0;
     doomed = NOBODY
  od
}
#endif

init {
  byte i;
  atomic {
    select(events : 0 .. EVENTS);
    for (i : 1 .. WORKERS) { run worker(i) }
    i = 0
  }
}

/* What is over: the values of CLOCK stand for what the monitor knows of them. */
#if TIMER
#define OVERDUE (LIVE_SLOT && !silent && (due == NO_STAMP || due <= now))
#else
#define LONGEST_OVER \
  ((activity >= current && seen + IDLE <= now) || (activity < current && LONGEST(activity) + IDLE <= now))
#define OVERDUE \
  (LIVE_SLOT && !silent && ((due != NO_STAMP && due <= now) || (activity + USUAL + IDLE <= now && LONGEST_OVER)))
#endif

#ifdef LIVE
ltl live { []<>!(OVERDUE && now == LAST) }
#else
active proctype rest() {
end:
  timeout ->
  assert(now == LAST && hints == 0 && doomed == NOBODY && !handled);
  assert(state == FREE || state == ARMED || (silent && state == DISABLED));
  assert(!OVERDUE); /* T3 */
}
#endif
