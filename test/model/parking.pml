/*
 * Who is awake: src/reactor/dispatcher.ts (push, wakeForWork, wakeIfWork, setConcurrency, kickPoller, the poll hint,
 * startMonitor), src/reactor/presence.ts (becomeRunnable, goAway, comeBack, share, found, announcePark, announceWait,
 * hasReason, retires), src/reactor/limit.ts, src/reactor/reactor.ts (#run, #poll, #park), linger.ts, retire.ts,
 * src/sync/parking.ts, src/sync/bitset.ts, src/reactor/monitor.ts (wakeOne, #relieve, rest) and what
 * src/supervision/reaper.ts does for them. One step for each access to shared memory that another word must be ordered with.
 *
 * WORKERS workers; `app`, a thread that is none of them, requests PUSHES turns of one slot, changes the limit CHANGES times
 * and asks workers to retire RETIRES times; `world` makes another slot ready EVENTS times (both also less often) and kills up
 * to DEATHS workers, at any step; `reaper` repairs and the worker begins anew. Up to STUCK handlers never end, up to BLOCKS go
 * through blocking(), up to NAPS sleep without saying so, for a while or for ever. Before up to LINGERS rests a worker looks for
 * work a while.
 *
 * Left out, and why:
 * - The ring's and the slots' own steps: they are one step here, ring.pml and slot.pml have them. The overflow of the ring.
 * - LIFO: any parked worker may be chosen, which allows more than the stamps do. Stamps race with announce() anyway.
 * - A load and the compare-and-swap of the same word that confirms it are one step, as is all of a loop that retries it.
 * - Sleeping in the kernel with libuv (as the futex, with an eventfd), loop turns, attention, stop, safety timeouts.
 * - How the monitor knows who sleeps (sleepers.ts): it knows. It acts on it later, when they may be awake again.
 * - The monitor's rescue of work that nobody attends to: it would hide what this is to find. A tick that would change
 *   nothing has no step, so a pool that rests is a state without a step; nor has one that would only see more.
 * - New threads in place of those that retired or block.
 * - COARSE joins what the protocol does not depend on without deaths: a slot's compare-and-swap and its push, choosing a
 *   parked worker and waking it, marking and telling the monitor or the poller.
 *
 * Properties:
 * - L   LTL, with weak fairness: not for ever does work wait (a hint, the poll hint too, a queued slot or an event) while
 *       there is room, that is fewer than `concurrency` are busy for ever and some worker is not. (-DLIVE)
 * - R   In a state without a step no work waits while there is room, nobody is counted as searching, and who sleeps can be
 *       chosen: no wake token is lost. With MONITORED=0 nobody makes good on anything: what then waits was lost, or put off.
 *       With WAKE_AT_HINTS=0 as well nothing is put off, and so nothing waits. With more, nothing waits either as long as
 *       all handlers end; else (PUT_OFF) no more than WAKE_AT_HINTS hints, behind a worker whose handler does not end.
 *       What pays changes with what was measured: with WEIGHED fewer hints may wake somebody too, or not, each time.
 * - G7  After a change of the limit, a worker that came back or a place that was taken away each worker starts at most one
 *       more handler before it looks: the bits of those that have looked since are no more than the limit, and handlers
 *       begin with the bit set.
 * - At most one poller. The ring is never full.
 *
 * Mutants: NO_LOOK_AGAIN, a worker that parks does not look again. SEARCHER_KEPT, it clears SEARCHER after its second
 * look. SEARCHER_CLEARED, who set SEARCHER, found nobody parked and cleared it does not look again: who left RUNNABLE
 * meanwhile, in order to block, has seen it set and woken nobody. POLLER_NO_LOOK, the poller waits without looking again.
 * MONITOR_NO_LOOK, the monitor rests without. NO_MONITOR, wake-ups are put off and nobody makes good on them. NO_RELIEF,
 * the monitor leaves sleepers their places. NO_REVIEW, who comes back does not ask for a look at the limit. REVIEW_LATE, a
 * worker remembers the count that it finds after its look. AWAY_SILENTLY, who blocks wakes nobody. RETIRE_BLINDLY, who is
 * asked to retire agrees without a look. RETIRE_SEARCHING, it agrees while it is the one that searches. DEAD_SEARCHER, the
 * reaper neither clears SEARCHER nor wakes. LINGER_KEPT, who has lingered in vain goes on to search, and rests. NO_PUSH_AGAIN, it does not push queued slots. NO_REPLACE_POLL, it does not
 * replace a poll hint that nobody holds.
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
#ifndef LINGERS
#define LINGERS 0
#endif
#ifndef NAPS
#define NAPS 0
#endif
#ifndef RETIRES
#define RETIRES 0
#endif
#ifndef AGAIN
#define AGAIN 0
#endif
#ifdef MUTANT_NO_MONITOR
#define MONITORED 0
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

/* Whether a worker must ever look at the limit again. */
#define LIMITS (CHANGES || BLOCKS || NAPS)

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
mtype = { UNASKED, ASKED, AGREED };

chan ring = [CAPACITY] of { byte };
byte concurrency = CONCURRENCY;
byte runnable, parked;
#if LIMITS
byte reviews;
#endif
#if RETIRES
mtype retire[WORKERS] = UNASKED;
#endif
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
byte naps = NAPS, retires = RETIRES;
byte doomed = NO_WORKER;
bit gone, absent; /* the doomed one has stopped; and is not back yet */
byte polling;
byte lasting; /* bits of the workers whose handlers never end, and of those that are gone for good */
byte busy; /* of those whose handlers never end, the ones that need their places */
byte sleepers; /* bits of the workers that sleep in a handler */
#if LIMITS
byte excused; /* bits of the workers that have not looked at the limit since the last change */
byte changing; /* how many have made a change and not yet asked for a look */
#endif

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
                 /* Look again: who left while it was set has woken nobody. */
#ifdef MUTANT_SEARCHER_CLEARED
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

/* Presence.share(), WakePolicy.wakes(): put off while it does not pay. */
inline share(member, found) {
  if
  :: len(ring) > WAKE_AT_HINTS -> wakeForWork(member, found)
#ifdef WEIGHED
  :: len(ring) != 0 && len(ring) <= WAKE_AT_HINTS -> wakeForWork(member, found)
#endif
  :: len(ring) <= WAKE_AT_HINTS
  fi
}

#define HAS_ROOM (SIZE(runnable) < concurrency)

inline wakeIfWork(member, found) {
  if
  :: len(ring) != 0 -> wakeForWork(member, found)
  :: len(ring) == 0
  fi
}

#if LIMITS
#define FORGIVEN excused = excused & ~BIT(me)
#else
#define FORGIVEN
#endif
#define LEAVE runnable = runnable & ~BIT(me); FORGIVEN; isRunnable = 0

#if !LIMITS
#define CHECK_PLACE assert(runnable & BIT(me))

/* Presence.becomeRunnable(), BoundedSet.enter(): the bound is loaded before the bits. */
inline becomeRunnable(bound) {
  if
  :: isRunnable
  :: atomic { !isRunnable -> bound = concurrency };
     if
     :: atomic { SIZE(runnable) >= bound -> bound = 0 }
     :: atomic {
          SIZE(runnable) < bound -> runnable = runnable | BIT(me);
          isRunnable = 1;
          bound = 0;
          assert(SIZE(runnable) <= concurrency)
        };
        startMonitor()
     fi
  fi
}
#else
/* A handler begins with the bit set, but in a worker whose bit was taken away since its look. */
#define CHECK_PLACE assert((runnable & BIT(me)) || (excused & BIT(me)) || changing > 0)

/* Of G7: the look that ends now is of a moment after the last change, or there will be another one before the next hint. */
#define LOOKED(count) \
  if \
  :: changing == 0 && (count) == reviews -> excused = excused & ~BIT(me); assert(SIZE(runnable & ~excused) <= concurrency) \
  :: else -> excused = excused | BIT(me) \
  fi

/* A change and asking for a look are two steps. */
#define CHANGED changing++
#define ASK_FOR_REVIEW reviews++; changing--; excused = excused | runnable

/*
 * Presence.becomeRunnable(), #review(): Limit.yieldPlace() and enter() load the bound before the bits; who is in looks
 * again whether that was asked for meanwhile.
 */
inline becomeRunnable(bound) {
  if
  :: atomic { isRunnable && reviews == reviewed -> LOOKED(reviewed) }
  :: atomic { !isRunnable || reviews != reviewed -> reviewed = reviews };
     do
     :: if
        :: isRunnable ->
           bound = concurrency;
           if
           :: atomic { (runnable & BIT(me)) && SIZE(runnable) > bound -> bound = 0; LEAVE; break }
           :: atomic { !(runnable & BIT(me)) || SIZE(runnable) <= bound -> bound = 0 }
           fi
        :: !isRunnable
        fi;
        bound = concurrency;
        if
        :: atomic { !(runnable & BIT(me)) && SIZE(runnable) >= bound -> bound = 0; isRunnable = 0; break }
        :: atomic {
             (runnable & BIT(me)) || SIZE(runnable) < bound -> runnable = runnable | BIT(me);
             isRunnable = 1;
             bound = 0;
             excused = excused | BIT(me)
           }
        fi;
        if
        :: atomic {
#ifdef MUTANT_REVIEW_LATE
             reviewed = reviews;
#else
             reviews == reviewed;
#endif
             LOOKED(reviewed)
           };
           startMonitor();
           break
        :: atomic { reviews != reviewed -> reviewed = reviews }
        fi
     od
  fi
}

/* Limit.comeBack(): how many there are, then whether that is too many. */
inline comeBack(count) {
  atomic { runnable = runnable | BIT(me); isRunnable = 1; count = SIZE(runnable); CHANGED };
  if
#ifdef MUTANT_NO_REVIEW
  :: atomic { count = 0; changing--; excused = excused & ~BIT(me) }
#else
  :: atomic { count > concurrency -> count = 0; ASK_FOR_REVIEW }
  :: atomic { count <= concurrency -> count = 0; changing-- }
#endif
  fi;
  startMonitor()
}

/* Limit.revoke() */
inline revoke(w) {
  if
  :: atomic { runnable & BIT(w) -> runnable = runnable & ~BIT(w); CHANGED };
     atomic { ASK_FOR_REVIEW; excused = excused | BIT(w) }
  :: atomic { !(runnable & BIT(w)) -> skip }
  fi
}
#endif

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

/* Linger: a worker looks a while before it rests, as the one that searches. */
#if LINGERS
byte lingers = LINGERS;
#define LINGER lingers > 0 && !searcher -> lingers--; searcher = 1; searching = 1
#ifdef MUTANT_LINGER_KEPT
#define STOP_LINGERING skip
#else
#define STOP_LINGERING atomic { searching = 0; searcher = 0 }
#endif
#endif

/* What a worker knows is gone with it: see `unless` below. */
proctype worker(byte me) {
  bit isRunnable, searching, found, pushed;
  byte hint, x;
#if LIMITS
  byte reviewed, y;
#endif
#if DEATHS
  do
  :: {
#endif
    do
    :: /* #run */
look:
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
#if LINGERS
             :: atomic { len(ring) == 0 && LINGER };
                if
                :: len(ring) != 0 -> goto ask
                :: STOP_LINGERING;
                   atomic { LEAVE };
                   goto rest
                fi
#endif
             :: atomic { len(ring) != 0 -> skip };
ask:
                atomic { batch = kernelReady; kernelReady = 0; wakeFd = 0 }
             :: atomic { len(ring) == 0 -> LEAVE };
rest:
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
               CHECK_PLACE
             };
             /* #runTurn: x is the slot. A handler ends, or lasts for ever, or blocks or sleeps for a while or for ever. */
#if STUCK || BLOCKS || NAPS
             if
             :: skip
#if STUCK
             :: atomic { stuck > 0 -> stuck--; lasting = lasting | BIT(me); busy = busy | BIT(me) };
                false
#endif
#if BLOCKS
             :: atomic { blocks > 0 -> blocks--; LEAVE };
#ifndef MUTANT_AWAY_SILENTLY
                wakeIfWork(y, found);
#endif
#if STUCK
                if
                :: atomic { stuck > 0 -> stuck--; lasting = lasting | BIT(me) };
                   false
                :: skip
                fi;
#endif
                comeBack(y)
#endif
#if NAPS
             :: atomic { naps > 0 -> naps--; sleepers = sleepers | BIT(me) };
#if STUCK
                if
                :: atomic { stuck > 0 -> stuck--; lasting = lasting | BIT(me) };
                   false
                :: skip
                fi;
#endif
                sleepers = sleepers & ~BIT(me)
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
#if LINGERS
          if
          :: atomic { isRunnable && LINGER };
             if
             :: len(ring) != 0 -> goto look
             :: STOP_LINGERING
             fi
          :: skip
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
          atomic { searching = !(parked & BIT(me)); parked = parked & ~BIT(me); state[me] = AWAKE };
#if RETIRES
          /* Presence.retires() */
          if
          :: retire[me] == UNASKED
          :: retire[me] == ASKED ->
#ifndef MUTANT_RETIRE_SEARCHING
             if
             :: atomic { searching -> searching = 0; searcher = 0 }
             :: !searching
             fi;
#endif
             if
#ifdef MUTANT_RETIRE_BLINDLY
             :: skip
#else
             :: len(ring) == 0 -> goto agree
             :: len(ring) != 0 ->
                if
                :: !HAS_ROOM -> goto agree
                :: HAS_ROOM
                fi;
                if
                :: atomic { retire[me] == ASKED -> retire[me] = UNASKED }
                :: atomic { retire[me] != ASKED -> skip }
                fi;
                goto stays
#endif
             fi;
agree:
             if
             :: atomic { retire[me] == ASKED -> retire[me] = AGREED; lasting = lasting | BIT(me) };
                false
             :: atomic { retire[me] != ASKED -> skip }
             fi;
stays:
             skip
          fi
#endif
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
  :: atomic { changes > 0 -> changes--; concurrency = CONCURRENCY + 1 - concurrency; CHANGED };
     atomic { ASK_FOR_REVIEW };
     wakeIfWork(x, found)
#endif
#if RETIRES
  /* askToRetire(); Retirement.look() takes back what was not answered, and asks no more than may go. */
  :: atomic { retires > 0 -> retires--; select(x : 0 .. WORKERS - 1) };
     retire[x] = ASKED;
     if
     :: atomic { parked & BIT(x) -> parked = parked & ~BIT(x) };
        state[x] = NOTIFIED;
        asleep[x] = 0
     :: atomic { !(parked & BIT(x)) -> skip };
        if
        :: atomic { retire[x] == ASKED -> retire[x] = UNASKED }
        :: atomic { retire[x] != ASKED -> skip }
        fi
     fi;
     x = 0
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

/* #relieve(): runnable workers that sleep in their handlers. */
#if NAPS && !defined(MUTANT_NO_RELIEF)
#define RELIEF (sleepers & runnable)
#else
#define RELIEF 0
#endif

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
       seen > 0 && (HAS_ROOM || RELIEF) && !UNATTENDED -> seen = len(ring)
     };
     /* wakeOne() */
#if NAPS
     if
     :: HAS_ROOM
     :: atomic { !HAS_ROOM -> x = RELIEF };
        if
        :: x & BIT(0) -> revoke(0)
        :: !(x & BIT(0))
        fi;
        if
        :: x & BIT(1) -> revoke(1)
        :: !(x & BIT(1))
        fi;
        x = 0
     fi;
     if
     :: !HAS_ROOM -> goto relieved
     :: HAS_ROOM
     fi;
#endif
     wakeNewest(x, found);
     if
     :: atomic { found -> found = 0 }
     :: !found -> kickPoller(found); found = 0
     fi;
relieved:
     skip
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
  :: atomic { gone -> gone = 0; dead = doomed; lasting = lasting & ~BIT(dead); busy = busy & ~BIT(dead); sleepers = sleepers & ~BIT(dead) };
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
     atomic { runnable = runnable & ~BIT(dead);
#if LIMITS
       excused = excused & ~BIT(dead)
#endif
     };
#if LIMITS
     atomic { CHANGED; ASK_FOR_REVIEW };
#endif
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

/* Where there is a monitor, who sleeps in a handler needs no place. */
#if MONITORED || defined(MUTANT_NO_MONITOR)
#define PLACES_TAKEN SIZE(busy)
#else
#define PLACES_TAKEN SIZE(busy | (lasting & sleepers))
#endif
#define room (PLACES_TAKEN < concurrency && SIZE(lasting) < WORKERS)

#ifdef LIVE
ltl live { []<>!(waiting && room) }
#else
/* Nobody can do anything any more. */
active proctype rest() {
end:
  timeout ->
  assert(doomed == NO_WORKER);
#ifdef PUT_OFF
  assert(!(waiting && room) || (lasting != 0 && !kernelReady && len(ring) <= WAKE_AT_HINTS));
#else
  assert(!(waiting && room));
#endif
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
