/*
 * The epoll set is replaced by a new one while slots use it, so that what generations that are over left in it goes away (G10).
 *
 * Two descriptors, E and OLD, name the pool's set; at rest it is the same set. A replacement has E name a new one, EPOCH counts
 * it, whoever owns a slot takes it along, and then OLD names the new one too, which ends the former. A slot's `epochBit` is the
 * low bit of the epoch in which it was last placed; its owner writes it. A leader replaces the set REPLACEMENTS times, a
 * registrar takes slots that are free (REGISTRATIONS times in all), WORKERS workers run turns and end slots as they like, a
 * poller waits, and the peers make files readable DATA times. The kernel is oneshot or edge-triggered (EDGE).
 *
 * Rules:
 * 1. E names the new set first, then EPOCH is counted up. Never the other way round.
 * 2. After that who waits is kicked, and each wait names E anew. The kick is an edge of its own in each set, and stays until a
 *    wait in that set has returned with it: the new set has the eventfd before E names it.
 * 3. The leader asks for a turn of each slot that is not free and whose bit is not EPOCH's, whoever owns it, again and again,
 *    until it has found none of them in a whole pass. It reads the state first, then the bit.
 * 4. Only then OLD names the new set, and only then the next replacement may begin.
 * 5. A registrar reads EPOCH, writes the bit, adds (modifies, if the slot is in the set; that it is not there any more does not
 *    matter), and does all of it again if EPOCH, not only its low bit, has changed.
 * 6. A turn begins with placing the slot, if its bit is not EPOCH's, and then writes the bit. Placing, and each re-arm, is: modify
 *    it in E; if it is not there, silence it in OLD, and then add it to E.
 * 7. The end of a slot deletes it from E or, if it is not there, from OLD. Not to be in either means: the file is not ours.
 * 8. With NESTED a poller may also wait in a set of its own that has E in it, and then asks E without waiting. A set in a set is
 *    not the descriptor but what it named then: the leader takes E out before rule 1 (later it could not name it, and the
 *    former set, which nobody empties any more, would end each wait at once), and puts it in again after that.
 *
 * A call has two steps: a descriptor is looked up, and something is done to the set that was found, which others may have
 * replaced meanwhile. So has a wait. A set ends when no descriptor names it, and nobody waits in it.
 *
 * Left out, and why:
 * - Generations are marks at what outlives a slot in a set, or in the poller's hand: such events are dropped (slot.pml).
 * - The ring and who sleeps (ring.pml, parking.pml): a slot that is queued is claimed at some time.
 * - DISABLED, which the leader treats as ARMED; groups, which only decide when a turn begins. The end of a socket that is closed
 *   without EPOLL_CTL_DEL, and taking over a slot that is closing, which the registrar does as with one that is free.
 * - Files that were closed behind the library's back. Here each file is its slot's own, so whoever is told that it is not is told
 *   wrong. A file that is kept open at its slot's end may be registered again, and may be left over in OLD.
 * - Threads that vanish.
 * - The leader moves some slots itself, as their owner for that moment, in place of asking for a turn; and an edge-triggered slot
 *   moves at the end of a turn too. test/reactor/renewal-world.ts has both.
 *
 * Properties:
 * - S1  No slot is taken for one whose file is gone: rules 6 and 7 find it in E or OLD.
 * - S2  Whoever has a turn asks no set that neither E nor OLD names.
 * - S3  After a replacement each slot that is not free or closing is in E's set and has EPOCH's bit, unless its registrar
 *       is not done with rule 5.
 * - S4  In a state without a step all replacements are done, each slot is free, or armed, in the set, and nothing is readable
 *       that nobody reports (G2), and who waits does so in E's set.
 * - L   LTL, with weak fairness: the replacements are done at some time.
 *
 * Mutants: FLIP_FIRST, EPOCH is counted before E names the new set. NO_SECOND_LOOK, the registrar does not read EPOCH again.
 * DROP_EARLY, the leader makes one pass only. REARM_BLIND, a re-arm does not look into OLD. NO_KICK, who waits is not kicked.
 * SKIP_ACTIVE, the leader takes slots that are active for placed. LOW_LOOK, the registrar compares EPOCH's low bit. END_BLIND, the
 * end does not look into OLD. NEST_FORGOTTEN, the leader does not do rule 8.
 */
#ifndef EDGE
#define EDGE 0
#endif
#ifndef NESTED
#define NESTED 0
#endif
#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef REPLACEMENTS
#define REPLACEMENTS 2
#endif
#ifndef REGISTRATIONS
#define REGISTRATIONS 2
#endif
#ifndef DATA
#define DATA 2
#endif

#define NOWHERE (REPLACEMENTS + 1) /* Sets count from 0. */

mtype = { FREE, ARMED, QUEUED, ACTIVE, CLOSING };

/* The slots, each changed in one step only; and the bit beside. */
mtype state[SLOTS] = FREE;
bit ready[SLOTS], asked[SLOTS];
bit epochBit[SLOTS];

byte epoch;
byte batch; /* the slot of the event that the poller has not delivered yet, plus 1 */

/* The kernel: which sets the descriptors name, who waits in which, and the files. What is in a set is a bitmap of sets. */
byte E, OLD;
byte waits = NOWHERE;
byte kicked; /* the sets that have not reported the kick yet */
#if NESTED
byte nest = 1; /* the sets that the poller's own set has in it */
bit nested; /* it waits there */
#endif
bit available[SLOTS];
byte member[SLOTS], mask[SLOTS], edge[SLOTS]; /* is in it; may be reported by it; will be */
byte foreign[SLOTS]; /* is in it for a generation that is over */

/* For the properties only. */
byte registering; /* the slot that rule 5 is not done with, plus 1 */
bit done;

#define BIT(set) (1 << (set))
#define IS_IN(s, set) ((member[s] & BIT(set)) != 0)
#define NAMED(set) ((set) == E || (set) == OLD)
#define CURRENT(s) (epochBit[s] == (epoch & 1))
#if SLOTS > 1
#define READABLE(sets) (((kicked | edge[0] | edge[1]) & (sets)) != 0)
#else
#define READABLE(sets) (((kicked | edge[0]) & (sets)) != 0)
#endif
#define LIVE_SLOT(s) (state[s] != FREE && state[s] != CLOSING)

/* The end of a set: what is in it is forgotten. */
inline forget(t) {
#if NESTED
  nest = nest & (BIT(E) | BIT(OLD));
#endif
  kicked = kicked & (BIT(E) | BIT(OLD) | BIT(waits));
  for (t : 0 .. SLOTS - 1) {
    member[t] = member[t] & (BIT(E) | BIT(OLD) | BIT(waits));
    mask[t] = mask[t] & member[t];
    edge[t] = edge[t] & member[t];
    foreign[t] = foreign[t] & member[t]
  }
  t = 0
}

inline watch(s, set) {
  member[s] = member[s] | BIT(set);
  mask[s] = mask[s] | BIT(set);
  foreign[s] = foreign[s] & ~BIT(set);
  edge[s] = (available[s] -> edge[s] | BIT(set) : edge[s])
}

inline silence(s, set) {
  mask[s] = mask[s] & ~BIT(set);
  edge[s] = edge[s] & ~BIT(set);
  foreign[s] = foreign[s] & ~BIT(set)
}

inline unwatch(s, set) {
  silence(s, set);
  member[s] = member[s] & ~BIT(set)
}

inline finish(s) {
  state[s] = (ready[s] || asked[s] -> QUEUED : ARMED)
}

/* Rule 6. `blind`: does not look into OLD. */
inline place(s, set, found, blind) {
  set = E;
  atomic {
    assert(NAMED(set)); /* S2 */
    found = IS_IN(s, set);
    if
    :: found -> watch(s, set)
    :: else
    fi
  };
  if
  :: found
  :: !found ->
     assert(!blind); /* S1 */
     set = OLD;
     atomic {
       assert(NAMED(set)); /* S2 */
       assert(IS_IN(s, set)); /* S1 */
       silence(s, set)
     };
     set = E;
     atomic {
       assert(NAMED(set)); /* S2 */
       assert(!IS_IN(s, set));
       watch(s, set)
     }
  fi;
  atomic { set = 0; found = 0 }
}

#ifdef MUTANT_REARM_BLIND
#define BLIND 1
#else
#define BLIND 0
#endif
#ifdef MUTANT_END_BLIND
#define END_BLIND 1
#else
#define END_BLIND 0
#endif

active [WORKERS] proctype worker() {
  byte s, set;
  bit found, took;
end:
  do
  :: atomic {
       if
       :: state[0] == QUEUED -> s = 0
#if SLOTS > 1
       :: state[1] == QUEUED -> s = 1
#endif
       fi;
       state[s] = ACTIVE;
       took = ready[s];
       ready[s] = 0;
       asked[s] = 0
     };
     if
     :: CURRENT(s)
     :: !CURRENT(s) ->
        place(s, set, found, 0);
        epochBit[s] = epoch & 1
     fi;
     /* The handler: reads all, or leaves it, or ends the slot. If there is only a request it need not run. */
     if
     :: atomic { available[s] = 0; edge[s] = 0; took = 0 }
     :: atomic { !EDGE || !took -> took = 0 }
     :: atomic { state[s] = CLOSING; took = 0 };
        goto last
     fi;
#if !EDGE
     place(s, set, found, BLIND);
#endif
     atomic { finish(s); s = 0 };
     goto next;
last:
     /* Rule 7 */
     set = E;
     atomic {
       assert(NAMED(set)); /* S2 */
       found = IS_IN(s, set);
       unwatch(s, set)
     };
     if
     :: found
     :: !found ->
        set = OLD;
        atomic {
          assert(NAMED(set)); /* S2 */
          assert(IS_IN(s, set) && !END_BLIND); /* S1 */
          unwatch(s, set)
        }
     fi;
     atomic {
       if
       :: available[s] = 0;
          member[s] = 0;
          mask[s] = 0;
          edge[s] = 0;
          foreign[s] = 0
       :: foreign[s] = member[s] /* the file is kept open */
       fi;
       batch = (batch == s + 1 -> 0 : batch);
       state[s] = FREE;
       s = 0;
       set = 0;
       found = 0
     };
next:
     skip
  od
}

#ifdef MUTANT_LOW_LOOK
#define LOOK(e) ((e) & 1)
#else
#define LOOK(e) (e)
#endif

/* Rule 5 */
active proctype registrar() {
  byte s, set, e, left = REGISTRATIONS;
  bit found;
  /* The bits are of earlier generations. */
  atomic {
    for (s : 0 .. SLOTS - 1) {
      if
      :: epochBit[s] = 0
      :: epochBit[s] = 1
      fi
    }
    s = 0
  }
end:
  do
  :: atomic {
       if
       :: left > 0 && state[0] == FREE -> s = 0
#if SLOTS > 1
       :: left > 0 && state[1] == FREE -> s = 1
#endif
       fi;
       left--;
       state[s] = ACTIVE;
       ready[s] = 0;
       asked[s] = 0;
       registering = s + 1
     };
     do
     :: e = epoch;
        epochBit[s] = e & 1;
        set = E;
        atomic {
          found = IS_IN(s, set);
          if
          :: !found && (NAMED(set) || set == waits) -> watch(s, set)
          :: else
          fi
        };
        if
        :: !found
        :: found ->
           set = E;
           atomic {
             if
             :: IS_IN(s, set) -> watch(s, set)
             :: else
             fi
           }
        fi;
        atomic { found = 0; set = 0 };
#ifdef MUTANT_NO_SECOND_LOOK
        break
#else
        if
        :: LOOK(epoch) == LOOK(e) -> break
        :: LOOK(epoch) != LOOK(e)
        fi
#endif
     od;
     atomic { finish(s); registering = 0; s = 0; e = 0 }
  od
}

active proctype poller() {
  byte s;
  bit at_once;
end:
  do
  :: at_once = 0;
#if NESTED
     if
     :: skip
     :: nested = 1;
        atomic { READABLE(nest) -> nested = 0; at_once = 1 }
     fi;
#endif
     waits = E;
     atomic {
       if
       :: (kicked & BIT(waits)) != 0 -> kicked = kicked & ~BIT(waits)
       :: at_once && !READABLE(BIT(waits))
       :: (edge[0] & BIT(waits)) != 0 -> s = 1
#if SLOTS > 1
       :: (edge[1] & BIT(waits)) != 0 -> s = 2
#endif
       fi;
       if
       :: s != 0 ->
          s--;
          batch = ((foreign[s] & BIT(waits)) != 0 -> 0 : s + 1);
          edge[s] = edge[s] & ~BIT(waits);
          mask[s] = (EDGE -> mask[s] : mask[s] & ~BIT(waits))
       :: else
       fi;
       waits = NOWHERE;
       forget(s)
     };
     atomic {
       if
       :: batch != 0 && LIVE_SLOT(batch - 1) ->
          s = batch - 1;
          ready[s] = 1;
          state[s] = (state[s] == ARMED -> QUEUED : state[s]);
          s = 0
       :: else
       fi;
       batch = 0
     }
  od
}

active proctype leader() {
  byte s, n;
  bit behind;
  do
  :: n == REPLACEMENTS -> break
  :: n < REPLACEMENTS ->
     n++;
     /* The new set is number n. */
#if NESTED && !defined(MUTANT_NEST_FORGOTTEN)
     nest = nest & ~BIT(E);
#endif
#ifdef MUTANT_FLIP_FIRST
     epoch++;
     E = n;
#else
     E = n;
     epoch++;
#endif
#if NESTED && !defined(MUTANT_NEST_FORGOTTEN)
     nest = nest | BIT(E);
#endif
#ifndef MUTANT_NO_KICK
     kicked = kicked | BIT(E) | BIT(OLD);
#endif
     /* Rule 3 */
     do
     :: behind = 0;
        do
        :: s == SLOTS -> break
        :: s < SLOTS ->
           if
           :: state[s] == FREE
#ifdef MUTANT_SKIP_ACTIVE
           :: state[s] == ACTIVE
           :: state[s] != FREE && state[s] != ACTIVE ->
#else
           :: state[s] != FREE ->
#endif
              if
              :: CURRENT(s)
              :: atomic { !CURRENT(s) -> behind = 1 };
                 atomic {
                   asked[s] = (LIVE_SLOT(s) -> 1 : asked[s]);
                   state[s] = (state[s] == ARMED -> QUEUED : state[s])
                 }
              fi
           fi;
           s++
        od;
        s = 0;
#ifdef MUTANT_DROP_EARLY
        break
#else
        if
        :: behind
        :: !behind -> break
        fi
#endif
     od;
     atomic {
       behind = 0;
       OLD = E;
       forget(s);
       for (s : 0 .. SLOTS - 1) {
         assert(!LIVE_SLOT(s) || registering == s + 1 || (IS_IN(s, E) && CURRENT(s))) /* S3 */
       }
       s = 0
     }
  od;
  done = 1
}

active proctype peers() {
  byte left = DATA;
  byte s;
end:
  do
  :: atomic {
       left > 0 -> left--;
       if
       :: s = 0
#if SLOTS > 1
       :: s = 1
#endif
       fi;
       available[s] = 1;
       edge[s] = mask[s];
       s = 0
     }
  od
}

#ifdef LIVE
ltl live { <>done }
#else
/* Nobody can do anything any more. */
active proctype rest() {
  byte i;
end:
  atomic {
    timeout ->
    assert(done && batch == 0);
    assert(OLD == E);
#if NESTED
    assert(nested -> nest == BIT(E) : waits == E); /* S4 */
#else
    assert(waits == E); /* S4 */
#endif
    for (i : 0 .. SLOTS - 1) {
      assert(state[i] == FREE || state[i] == ARMED); /* S4 */
      assert(state[i] == FREE || (CURRENT(i) && IS_IN(i, E))); /* S3 */
      assert(state[i] == FREE || ((mask[i] & BIT(E)) != 0 && !available[i])) /* S4 */
    }
  }
}
#endif
