/*
 * Who is awake: src/reactor/dispatcher.ts (push, wakeForWork, kickPoller, the poll hint, startMonitor),
 * src/reactor/presence.ts (becomeRunnable, share, found, announcePark, announceWait, hasReason),
 * src/reactor/reactor.ts (#run, #poll, #park), src/sync/parking.ts, src/sync/bitset.ts, src/reactor/monitor.ts and what
 * src/supervision/reaper.ts does for them. One step for each access to shared memory that another word must be ordered with.
 *
 * WORKERS workers; `app`, a thread that is none of them, requests PUSHES turns of one slot and changes the limit; `world`
 * makes another slot ready EVENTS times (both also less often) and kills up to DEATHS workers, at any step; `reaper` repairs
 * and the worker begins anew. Up to STUCK handlers never end, up to BLOCKS go through a blocking section. That, and changes
 * of `concurrency`, are modelled after their rule and not after code: who blocks leaves the bit and applies the wake rule,
 * who returns sets it unconditionally, and gives it up at its next hint if there are more than the limit.
 *
 * Left out, and why:
 * - The ring's and the slots' own steps: they are one step here, ring.pml and slot.pml have them. The overflow of the ring.
 * - LIFO: any parked worker may be chosen, which allows more than the stamps do. Stamps race with announce() anyway.
 * - A load and the compare-and-swap of the same word that confirms it are one step, as is all of a loop that retries it.
 * - Sleeping in the kernel with libuv (as the futex, with an eventfd), loop turns, attention, stop, safety timeouts.
 * - The monitor's rescue of work that nobody attends to: it would hide what this is to find. A tick that would change
 *   nothing has no step, so a pool that rests is a state without a step; nor has one that would only see more.
 * - COARSE joins what the protocol does not depend on without deaths: a slot's compare-and-swap and its push, choosing a
 *   parked worker and waking it, marking and telling the monitor or the poller.
 *
 * Properties:
 * - L   LTL, with weak fairness: not for ever does work wait (a hint, the poll hint too, a queued slot or an event) while
 *       there is room, that is fewer than `concurrency` are busy for ever and some worker is not. (-DLIVE)
 * - R   In a state without a step no work waits while there is room, nobody is counted as searching, and who sleeps can be
 *       chosen: no wake token is lost.
 * - G7  Never more bits than the limit, but for those that came back from a blocking section and took no hint since;
 *       handlers begin with the bit set.
 * - At most one poller. The ring is never full.
 *
 * Mutants: NO_LOOK_AGAIN, a worker that parks does not look again. SEARCHER_KEPT, it clears SEARCHER after its second
 * look. POLLER_NO_LOOK, the poller waits without looking again. MONITOR_NO_LOOK, the monitor rests without. DEAD_SEARCHER,
 * the reaper neither clears SEARCHER nor wakes. NO_PUSH_AGAIN, it does not push queued slots. NO_REPLACE_POLL, it does not
 * replace a poll hint that nobody holds.
 *
 * GAP_SEARCH is wakeForWork() as it is, without a monitor: who sets SEARCHER and then finds nobody parked clears it and
 * does not look again, so whoever left RUNNABLE meanwhile has seen SEARCHER set and woken nobody. Who leaves to park or to
 * wait in the kernel looks at the ring itself; who leaves to block does not. With a monitor it costs a tick. Cases that block
 * without a monitor look again (the loop in wakeForWork below), and hold.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CONCURRENCY
#define CONCURRENCY 2
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef EVENTS
#define EVENTS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef STUCK
#define STUCK 0
#endif
#ifndef BLOCKS
#define BLOCKS 0
#endif
#ifndef CHANGES
#define CHANGES 0
#endif
#ifndef AGAIN
#define AGAIN 0
#endif
#ifndef MONITORED
#define MONITORED 1
#endif
#ifndef COARSE
#define COARSE 0
#endif
#if COARSE
#define JOIN atomic
#else
#define JOIN
#endif
#ifndef WAKE_AT_HINTS
#define WAKE_AT_HINTS 1
#endif

#define SLOTS 2
#define FOREIGN 0 /* the slot that another thread requests */
#define KERNEL 1 /* the slot of a descriptor */
#define CAPACITY (2 * SLOTS + 4)

/* Hints: 1 .. SLOTS, then the poll hints, of which one is valid. */
#define POLL_HINTS 2
#define FIRST_POLL (SLOTS + 1)
#define NO_WORKER 255

#define BIT(w) (1 << (w))
#define SIZE(bits) (((bits) & 1) + (((bits) >> 1) & 1) + (((bits) >> 2) & 1) + (((bits) >> 3) & 1))

/* POLLER: { valid, waits, holder : 3 } */
#define HOLDER(word) ((word) & 7)
#define WAITS 8
#define VALID(word) ((word) >> 4)

mtype = { AWAKE, SLEEPS, NOTIFIED };
mtype = { IDLE, QUEUED, ACTIVE };

chan ring = [CAPACITY] of { byte };
byte concurrency = CONCURRENCY;
byte runnable, parked;
bit searcher;
byte poller;
mtype state[WORKERS] = AWAKE;
bit asleep[WORKERS]; /* in the futex of `state` */
bit monitorAwake = 1;
bit monitorSleeps; /* in the futex of MONITOR */
mtype slot[SLOTS] = IDLE;
byte owner[SLOTS];
bit more[SLOTS]; /* ready bits that were set while the slot was active */
bit kernelReady, wakeFd;
bit batch;

/* Of the monitor: how many of the hints that it saw at the last tick wait still. */
byte seen;

/* What may still happen, and what the properties are about. */
byte pushes, events, deaths = DEATHS, stuck = STUCK, blocks = BLOCKS, changes = CHANGES, again = AGAIN;
byte doomed = NO_WORKER;
bit gone, absent; /* the doomed one has stopped; and is not back yet */
byte polling, overshot;
byte lasting; /* bits of the workers whose handlers never end */
byte lastingBits; /* of those, the ones that are runnable */

inline push(hint) {
  assert(len(ring) < CAPACITY);
  ring!hint
}

inline startMonitor() {
  JOIN {
#if MONITORED
    if
    :: monitorAwake
    :: atomic { !monitorAwake -> monitorAwake = 1 }; monitorSleeps = 0
    fi
#else
    skip
#endif
  }
}

inline wakePoller() {
  wakeFd = 1
}

/* kicked: whether the poller was told. */
inline kickPoller(kicked) {
  JOIN {
    if
    :: atomic { !(poller & WAITS) -> kicked = 0 }
    :: atomic { poller & WAITS -> poller = poller & ~WAITS; kicked = 1 };
       wakePoller()
    fi
  }
}

/* LIFO is not modelled: any parked worker may be the newest. found: whether there was one. */
inline wakeNewest(member, found) {
  JOIN {
    do
    :: atomic { parked == 0 -> found = 0; break }
    :: if
       :: parked & BIT(0) -> member = 0
  #if WORKERS > 1
     :: parked & BIT(1) -> member = 1
#endif
#if WORKERS > 2
       :: parked & BIT(2) -> member = 2
#endif
       fi;
       if
       :: atomic { parked & BIT(member) -> parked = parked & ~BIT(member) };
          state[member] = NOTIFIED;
          atomic { asleep[member] = 0; member = 0; found = 1; break }
       :: atomic { !(parked & BIT(member)) -> member = 0 }
       fi
    od
  }
}

inline wakeForWork(member, found) {
  do
  :: searcher -> break
  :: atomic { !searcher -> skip };
     if
     :: SIZE(runnable) >= concurrency -> break
     :: SIZE(runnable) < concurrency ->
        if
        :: parked == 0 ->
           kickPoller(found);
           break
        :: parked != 0 ->
           if
           :: searcher -> break
           :: atomic { !searcher -> searcher = 1 };
              wakeNewest(member, found);
              if
              :: found -> break
              :: atomic { !found -> searcher = 0 };
#if MONITORED || !BLOCKS || defined(GAP_SEARCH)
                 kickPoller(found);
                 break
#endif
              fi
           fi
        fi
     fi
  od;
  found = 0
}

/* Presence.share(): put off while few hints wait. */
inline share(member, found) {
  if
  :: len(ring) > WAKE_AT_HINTS -> wakeForWork(member, found)
  :: len(ring) <= WAKE_AT_HINTS
  fi
}

/* G7: more than the limit are only those that came back from a blocking section and have not taken a hint since. */
#define CHECK_LIMIT assert(SIZE(runnable & ~overshot) <= CONCURRENCY)

#define LEAVE runnable = runnable & ~BIT(me); overshot = overshot & ~BIT(me); isRunnable = 0

/* Presence.becomeRunnable(), BoundedSet.enter(): the bound is loaded before the bits. */
inline becomeRunnable(bound) {
  if
  :: isRunnable
  :: atomic { !isRunnable -> bound = concurrency };
     if
     :: atomic { SIZE(runnable) >= bound -> bound = 0 }
     :: atomic { SIZE(runnable) < bound -> runnable = runnable | BIT(me); isRunnable = 1; bound = 0; CHECK_LIMIT };
        startMonitor()
     fi
  fi
}

#define MAY_POLL (VALID(poller) == hint - FIRST_POLL && HOLDER(poller) == 0)

inline deliver(pushed) {
  JOIN {
    if
    :: atomic { batch && slot[KERNEL] == IDLE -> slot[KERNEL] = QUEUED };
       push(KERNEL + 1);
       pushed = 1;
       batch = 0
    :: atomic { batch && slot[KERNEL] == QUEUED -> batch = 0 }
    :: atomic { batch && slot[KERNEL] == ACTIVE -> more[KERNEL] = 1; batch = 0 }
    :: !batch
    fi
  }
}

/* What a worker knows is gone with it: see `unless` below. */
proctype worker(byte me) {
  bit isRunnable, searching, found, pushed;
  byte hint, x;
#if BLOCKS
  byte y;
#endif
#if DEATHS
  do
  :: {
#endif
    do
    :: /* #run */
#if CHANGES || BLOCKS
       if
       :: atomic { isRunnable && SIZE(runnable) > concurrency -> goto park }
       :: atomic { isRunnable && SIZE(runnable) <= concurrency -> overshot = overshot & ~BIT(me) }
       :: !isRunnable
       fi;
#endif
       becomeRunnable(x);
       if
       :: atomic {
            isRunnable && len(ring) != 0 -> ring?hint;
#if MONITORED
            if
            :: seen > 0 -> seen--
            :: else
            fi
#endif
          };
          /* found() */
          if
          :: atomic { searching -> searching = 0; searcher = 0 };
             share(x, found)
          :: !searching
          fi;
          if
          :: atomic { hint >= FIRST_POLL && !MAY_POLL -> hint = 0 }
          :: atomic {
               hint >= FIRST_POLL && MAY_POLL -> poller = poller | (me + 1);
               hint = 0;
               polling++;
               assert(polling == 1)
             };
             /* #poll */
             if
             :: atomic { len(ring) != 0 -> skip };
                atomic { batch = kernelReady; kernelReady = 0; wakeFd = 0 }
             :: atomic { len(ring) == 0 -> LEAVE };
#ifdef MUTANT_POLLER_NO_LOOK
                poller = poller | WAITS;
                kernelReady || wakeFd;
#else
                poller = poller | WAITS;
                if
                :: len(ring) != 0
                :: len(ring) == 0 ->
                   kernelReady || wakeFd
                fi;
#endif
                atomic { batch = kernelReady; kernelReady = 0; wakeFd = 0 };
                poller = poller & ~WAITS;
                becomeRunnable(x)
             fi;
             deliver(pushed);
             /* #delivered */
             JOIN {
               atomic { x = VALID(poller); poller = poller & ~(WAITS | 7); polling-- };
               atomic { push(FIRST_POLL + x); x = 0 }
             };
             if
             :: atomic { pushed -> pushed = 0 };
                share(x, found)
             :: !pushed
             fi
          :: atomic { hint < FIRST_POLL && slot[hint - 1] != QUEUED -> hint = 0 }
          :: atomic {
               hint < FIRST_POLL && slot[hint - 1] == QUEUED -> x = hint - 1;
               slot[x] = ACTIVE;
               owner[x] = me;
               hint = 0;
               assert(runnable & BIT(me))
             };
             /* #runTurn: x is the slot. A handler ends, or lasts for ever, or blocks for a while or for ever. */
#if STUCK || BLOCKS
             if
             :: skip
#if STUCK
             :: atomic { stuck > 0 -> stuck--; lasting = lasting | BIT(me); lastingBits = lastingBits | BIT(me) };
                false
#endif
#if BLOCKS
             :: atomic { blocks > 0 -> blocks--; LEAVE };
                wakeForWork(y, found);
#if STUCK
                if
                :: atomic { stuck > 0 -> stuck--; lasting = lasting | BIT(me) };
                   false
                :: skip
                fi;
#endif
                atomic { runnable = runnable | BIT(me); overshot = overshot | BIT(me); isRunnable = 1; CHECK_LIMIT };
                startMonitor()
#endif
             fi;
#endif
             /* finish */
             if
             :: JOIN {
                  atomic { more[x] -> more[x] = 0; slot[x] = QUEUED; owner[x] = 0 };
                  atomic { push(x + 1); x = 0 }
                };
                startMonitor()
#if AGAIN
             :: JOIN {
                  atomic { again > 0 && !more[x] -> again--; slot[x] = QUEUED; owner[x] = 0 };
                  atomic { push(x + 1); x = 0 }
                };
                startMonitor()
#endif
             :: atomic { !more[x] -> slot[x] = IDLE; owner[x] = 0; x = 0 }
             fi
          fi
       :: !isRunnable || len(ring) == 0 ->
park:
          /* #park */
#ifndef MUTANT_SEARCHER_KEPT
          if
          :: atomic { searching -> searching = 0; searcher = 0 }
          :: !searching
          fi;
#endif
          atomic { LEAVE };
#if DEATHS
          state[me] = SLEEPS;
          parked = parked | BIT(me);
#else
          atomic { state[me] = SLEEPS; parked = parked | BIT(me) };
#endif
          /* hasReason(): the look again. Its third load, of the ring being first, is that of the limit. */
          if
#ifdef MUTANT_NO_LOOK_AGAIN
          :: skip
#else
          :: len(ring) == 0
          :: len(ring) != 0 ->
             if
             :: SIZE(runnable) < concurrency -> goto settle
             :: SIZE(runnable) >= concurrency
             fi
#endif
          fi;
#ifdef MUTANT_SEARCHER_KEPT
          if
          :: atomic { searching -> searching = 0; searcher = 0 }
          :: !searching
          fi;
#endif
          if
          :: atomic { state[me] == SLEEPS -> asleep[me] = 1 };
             asleep[me] == 0
          :: state[me] != SLEEPS
          fi;
settle:
          atomic { searching = !(parked & BIT(me)); parked = parked & ~BIT(me); state[me] = AWAKE }
       fi
    od
#if DEATHS
  } unless { atomic { doomed == me -> gone = 1; absent = 1 } };
  /* Reborn, as a new worker, once it is reaped. */
  atomic { doomed != me -> absent = 0; isRunnable = 0; searching = 0; found = 0; pushed = 0; hint = 0; x = 0 }
  od
#endif
}

/* A thread that is no worker: requests, and changes of the limit. */
active proctype app() {
  byte x;
  bit found;
end:
  do
  :: pushes > 0 ->
     if
     :: JOIN {
          atomic { slot[FOREIGN] == IDLE -> slot[FOREIGN] = QUEUED; pushes-- };
          push(FOREIGN + 1)
        };
        wakeForWork(x, found);
        startMonitor()
     :: atomic { slot[FOREIGN] == QUEUED -> pushes-- }
     :: atomic { slot[FOREIGN] == ACTIVE -> more[FOREIGN] = 1; pushes-- }
     fi
#if CHANGES
  :: atomic { changes > 0 -> changes--; concurrency = CONCURRENCY + 1 - concurrency };
     wakeForWork(x, found);
     startMonitor()
#endif
  od
}

/* The kernel's side, and who dies when. */
active proctype world() {
end:
  do
  :: atomic { events > 0 && !kernelReady -> events--; kernelReady = 1 }
#if DEATHS
  :: atomic {
       deaths > 0 && doomed == NO_WORKER && !absent -> deaths--;
       if
       :: doomed = 0
       :: doomed = 1
#if WORKERS > 2
       :: doomed = 2
#endif
       fi
     }
#endif
  od
}

/* Monitor.#isUnattended(): a rescue counts as a failure here, so there is none. */
#define UNATTENDED (runnable == 0 && (poller & WAITS) && !searcher)

/*
 * A tick that would see nothing new and do nothing is left out, so that a pool which rests is a state without a step;
 * so is one that would only see more than the one before.
 */
#if MONITORED
active proctype monitor() {
  bit found;
  byte x;
  do
  :: atomic {
       len(ring) != 0 && seen == 0 -> seen = len(ring)
     }
  :: atomic {
       seen > 0 && SIZE(runnable) < concurrency && !UNATTENDED -> seen = len(ring)
     };
     /* wakeOne() */
     wakeNewest(x, found);
     if
     :: atomic { found -> found = 0 }
     :: !found -> kickPoller(found); found = 0
     fi
  :: runnable == 0 && len(ring) == 0 ->
     /* rest() */
     monitorAwake = 0;
#ifndef MUTANT_MONITOR_NO_LOOK
     if
     :: runnable != 0
     :: runnable == 0 ->
        if
        :: len(ring) != 0
        :: len(ring) == 0 ->
#endif
           if
           :: atomic { !monitorAwake -> monitorSleeps = 1 };
              monitorSleeps == 0
           :: monitorAwake
           fi
#ifndef MUTANT_MONITOR_NO_LOOK
        fi
     fi
#endif
     ;
     monitorAwake = 1
  od
}
#endif

#if DEATHS
/* src/supervision/reaper.ts, reap() */
active proctype reaper() {
  byte dead, x, i;
  bit found;
end:
  do
  :: atomic { gone -> gone = 0; dead = doomed; lasting = lasting & ~BIT(dead); lastingBits = lastingBits & ~BIT(dead) };
     /* reapSlots() */
     do
     :: atomic { i == SLOTS -> i = 0; break }
     :: atomic { i < SLOTS && slot[i] == ACTIVE && owner[i] == dead -> slot[i] = QUEUED };
        atomic { push(i + 1); i++ }
#ifndef MUTANT_NO_PUSH_AGAIN
     :: i < SLOTS && slot[i] == QUEUED ->
        if
        :: atomic { len(ring) * 2 < CAPACITY -> push(i + 1) }
        :: else
        fi;
        i++
     :: atomic { i < SLOTS && slot[i] != QUEUED && !(slot[i] == ACTIVE && owner[i] == dead) -> i++ }
#else
     :: atomic { i < SLOTS && !(slot[i] == ACTIVE && owner[i] == dead) -> i++ }
#endif
     od;
     /* reapPoller() */
     x = HOLDER(poller);
     if
     :: x == dead + 1 ->
        deliver(found);
        found = 0;
        atomic { x = VALID(poller); poller = poller & ~(WAITS | 7); polling = 0 };
        atomic { push(FIRST_POLL + x); x = 0 }
     :: x == 0 ->
#ifndef MUTANT_NO_REPLACE_POLL
        x = poller;
        if
        :: HOLDER(x) != 0
        :: HOLDER(x) == 0 ->
           if
           :: atomic { poller == x -> poller = ((VALID(x) + 1) % POLL_HINTS) << 4 };
              push(FIRST_POLL + (VALID(x) + 1) % POLL_HINTS)
           :: else
           fi
        fi
#else
        skip
#endif
     :: else -> wakePoller()
     fi;
     /* lot.reap() */
     parked = parked & ~BIT(dead);
     state[dead] = AWAKE;
     asleep[dead] = 0;
     do
     :: atomic { i == WORKERS -> i = 0; break }
     :: atomic { i < WORKERS && (i == dead || state[i] == AWAKE) -> i++ }
     :: atomic { i < WORKERS && i != dead && state[i] != AWAKE -> x = (state[i] == NOTIFIED) };
        if
        :: atomic { !x && (parked & BIT(i)) -> i++ }
        :: atomic { x || !(parked & BIT(i)) -> x = 0 };
           state[i] = NOTIFIED;
           atomic { asleep[i] = 0; i++ }
        fi
     od;
     atomic { runnable = runnable & ~BIT(dead); overshot = overshot & ~BIT(dead) };
#ifndef MUTANT_DEAD_SEARCHER
     searcher = 0;
     wakeForWork(x, found);
     startMonitor();
#endif
     monitorSleeps = 0;
     atomic { doomed = NO_WORKER; dead = 0; x = 0 }
  od
}
#endif

init {
  byte i;
  atomic {
    /* Fewer happen too: what nothing follows must not be lost either. */
    select(pushes : 0 .. PUSHES);
    select(events : 0 .. EVENTS);
    ring!FIRST_POLL;
    for (i : 0 .. WORKERS - 1) { run worker(i) }
    i = 0
  }
}

#define waiting (len(ring) > 0 || kernelReady || slot[FOREIGN] == QUEUED || slot[KERNEL] == QUEUED)
#define room (SIZE(lastingBits) < concurrency && SIZE(lasting) < WORKERS)

#ifdef LIVE
ltl live { []<>!(waiting && room) }
#else
/* Nobody can do anything any more. */
active proctype rest() {
end:
  timeout ->
  assert(doomed == NO_WORKER);
  assert(!(waiting && room));
  assert(!searcher);
  assert(!asleep[0] || (parked & BIT(0)));
#if WORKERS > 1
  assert(!asleep[1] || (parked & BIT(1)));
#endif
#if WORKERS > 2
  assert(!asleep[2] || (parked & BIT(2)));
#endif
}
#endif
