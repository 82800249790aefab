/*
 * Whether the monitor comes: src/reactor/lookout.ts (look), sight.ts (take), monitor.ts (run, #tick, rest), dispatcher.ts
 * (startMonitor, setAlarm, and restartMonitor for whom the reaper puts right). One step for each access to shared memory that
 * another word must be ordered with.
 *
 * `worker` runs turns, looks between them whenever it likes, waits in the kernel, or stays in a turn or a wait for ever. `app`, a thread
 * that is none of them, pushes a hint PUSHES times and gives the monitor something that only it sees to DUES times: a new
 * timeout, mail for a worker that waits for a place. `timer` is the alarm: it goes off when time has passed since it was
 * set. `world` kills the worker DEATHS times and the monitor MONITOR_DEATHS times, at any step; who comes after begins anew.
 *
 * Left out, and why:
 * - At most one hint waits at a time: who takes it moves the head of the ring beyond what was seen.
 * - How it is that somebody takes the hint for which the monitor wakes (parking.pml): at once. Nor does anybody wake for a push
 *   but the monitor: it must come even if all other wake-ups are put off for ever.
 * - A worker may always prefer other work to the hint, which takeInTurn() does not: what it looks at must not depend on that.
 * - What a worker that has found something amiss does not look at any more: it may always leave a look out.
 * - isForsaken() and the shorter way if the alarm goes off at a recent look only say when, not whether: the latter is there.
 * - Hints outside of the ring are as what only the monitor sees to.
 *
 * Properties:
 * - L   LTL, with weak fairness: not for ever does a hint wait, nor what only the monitor sees to.
 * - R   In a state without a step neither waits.
 *
 * Mutants: BLIND, who looks does not ask whether what it saw at its last look still waits. NO_DUE, nor what else is there. NO_ALARM, who
 * starts the monitor does not set the alarm. REST_NO_LOOK, the monitor rests without looking again. TICK_ONCE, a tick does not set the alarm again. RECENT_ONCE, nor does
 * one that finds a recent look. NO_REVIVAL, the reaper does not set the alarm.
 */
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef DUES
#define DUES 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef MONITOR_DEATHS
#define MONITOR_DEATHS 0
#endif

bit awake;                     /* Word.MONITOR */
bit set, young, expired;       /* the timer: set; no time has passed since; it has gone off, and the monitor has not heard */
bit runnable;
bit hint, seen;                /* one waits; SEEN_TAIL lies behind it */
bit recent;                    /* SEEN_AT is */
bit due;
bit workerDies, monitorDies;

inline setAlarm() { atomic { set = 1; young = 1; expired = 0 } }

inline start() {
  if
  :: awake
  :: atomic { !awake -> awake = 1 };
#ifndef MUTANT_NO_ALARM
     setAlarm()
#endif
  fi
}

inline take() { atomic { hint = 0; seen = 0 } }

/* Lookout.look() */
inline look() {
  if
  :: recent
  :: !recent -> lookNow()
  fi
}

inline lookNow() {
  if
#ifndef MUTANT_NO_DUE
  :: due
  :: !due ->
#else
  :: true ->
#endif
     if
#ifndef MUTANT_BLIND
     :: hint && seen
     :: !(hint && seen) ->
#else
     :: true ->
#endif
        seen = hint;
        recent = 1;
        setAlarm()
     fi
  fi
}

active proctype worker() {
begin:
  {
    do
    :: runnable = 1;
       start();
       do
       :: break
       :: if
          :: atomic { hint -> take() }
          :: skip
          fi;
          if
          :: look()
          :: skip
          :: goto lasting
          fi
       od;
       runnable = 0;
       if
       :: skip
       :: goto lasting
       fi
    od;
lasting:
    workerDies
  } unless { workerDies };
  /* The reaper. */
  runnable = 0;
  start();
#ifndef MUTANT_NO_REVIVAL
  setAlarm();
#endif
  workerDies = 0;
  goto begin
}

active proctype app() {
  byte pushes, dues;
  do
  :: pushes < PUSHES && !hint -> atomic { hint = 1; pushes++ }; start()
  :: dues < DUES && !due -> atomic { due = 1; dues++ }; start()
  :: break
  od
}

active proctype timer() {
  do
  :: atomic { set && young -> young = 0 }
  :: atomic { set && !young -> set = 0; expired = 1 }
  :: recent -> recent = 0
  od
}

active proctype monitor() {
begin:
  {
    awake = 1;
    do
    :: /* MonitorTime.run() */
       due = 0;
       /* #tick() */
       if
       :: recent ->
          recent = 0;
#ifndef MUTANT_RECENT_ONCE
          setAlarm()
#endif
       :: recent = 0;
          if
          :: atomic { hint && seen -> take() }
          :: !(hint && seen)
          fi;
          seen = hint;
          recent = 1;
#ifndef MUTANT_TICK_ONCE
          setAlarm()
#endif
       fi;
       if
       :: runnable
       :: !runnable ->
          if
          :: hint
          :: !hint ->
             /* rest() */
             do
             :: awake = 0;
#ifndef MUTANT_REST_NO_LOOK
                if
                :: runnable -> break
                :: !runnable
                fi;
                if
                :: hint -> break
                :: !hint
                fi;
                if
                :: due -> break
                :: !due
                fi;
#endif
                atomic { expired -> expired = 0 }
             od;
             awake = 1;
             goto next
          fi
       fi;
       atomic { expired -> expired = 0 };
next:
       skip
    od
  } unless { monitorDies };
  monitorDies = 0;
  goto begin
}

#if DEATHS + MONITOR_DEATHS
active proctype world() {
  byte deaths, monitorDeaths;
  do
  :: deaths < DEATHS -> atomic { deaths++; workerDies = 1 }; !workerDies
  :: monitorDeaths < MONITOR_DEATHS -> atomic { monitorDeaths++; monitorDies = 1 }; !monitorDies
  :: break
  od
}
#endif

#ifdef LIVE
ltl live { []<>!hint && []<>!due }
#else
/* Nobody can do anything any more. */
active proctype rest() {
end:
  timeout ->
  assert(!hint);
  assert(!due)
}
#endif
