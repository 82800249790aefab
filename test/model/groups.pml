/*
 * Groups: src/slots/groups.ts (toPush, requestTurn, enlist, admit, leave, forget, adopt, closeInbox, begin, members, waiting),
 * src/sources/group-source.ts (turn, join, leave, #peer, #next, #conclude, #end), src/sources/group.ts (add, remove, teardown),
 * src/reactor/reactor.ts (#runTurn, #isStray), Strands.finish and restore, and reapSlots of src/supervision/reaper.ts.
 *
 * One group and two slots, which are members at the beginning if MEMBERS says so (bits). WORKERS workers take hints; two of `world`
 * make slots ready EVENTS times; handlers join the group JOINS times, leave it LEAVES times and use the other member PEERS
 * times; APPS of `app` add ADDS times, remove REMOVES times; the end of a slot is asked for FORCES times, of the group ENDS times; up
 * to DEATHS workers vanish, at any step. A turn of the group runs BUDGET turns of members.
 *
 * Left out, and why:
 * - A load and the compare-and-swap that confirms it are one step. The ring is a count of hints for each slot (ring.pml), who
 *   sleeps is in parking.pml, what the owner of a slot does about its descriptor in slot.pml.
 * - The links of the list of members: it is a set, and `torn` while somebody changes it. A second group; the reuse of slots.
 * - Transient groups, and handlers that are async: a turn may take any time as it is.
 *
 * Properties:
 * - E   One handler of a slot at a time, and of the members of a group (G1): who runs a member's handler owns the group.
 * - L   LTL, with weak fairness: no slot is queued for ever, nor is the group (-DLIVE).
 * - R   In a state without a step nothing is queued, ready or asked for; every slot that names the group is in its list or on
 *       its way there; and a group that was to end has ended.
 * - C   Nobody reads or changes a list that a vanished thread has left half changed, before it is made again.
 * - F   A member that waits with its ticket is passed by the other one twice at most.
 *
 * Mutants: NO_STRAY_LOOK, a worker runs the turn of a member on a hint of its own. STRAY_ONCE, it looks before the claim only.
 * REQUEST_FIRST, the group is asked for a turn before the member is queued. INBOX_BLIND, who joins stores into the inbox.
 * GIVE_BEFORE_ENLIST, who joins gives the slot away before it is in the inbox. END_UNSEEN, a turn of the group ends without a
 * look at who waits. CLOSE_BLIND, the group ends whoever has joined meanwhile. NO_TICKETS, the first of the list comes first.
 * NO_REBUILD, a dead owner's list is used as it is. NO_CONTROL, the reaper does not ask for a new list. NO_PUSH_AGAIN, it does
 * not push queued slots. FORGET_LATE, it gives the group away before a member that was ending names none. STALE_QUEUE, a
 * member that waited when that was looked up has its turn, though it was used as a peer and taken out of the group meanwhile.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef MEMBERS
#define MEMBERS 3
#endif
#ifndef EVENTS
#define EVENTS 2
#endif
#ifndef JOINS
#define JOINS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef PEERS
#define PEERS 0
#endif
#ifndef ADDS
#define ADDS 0
#endif
#ifndef REMOVES
#define REMOVES 0
#endif
#ifndef FORCES
#define FORCES 0
#endif
#ifndef ENDS
#define ENDS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef APPS
#define APPS 1
#endif
#ifndef BUDGET
#define BUDGET 1
#endif

#define BIT(m) (1 << (m))
#define GROUP 2
#define NO_GROUP 0
#define NAMED 1
#define NONE 3 /* no slot */
#define CLOSED 15 /* in the inbox */
#define NOBODY 0
#define APP 3
#define SUPERVISOR 4
#define LATE 255 /* without a ticket: comes last */

mtype = { FREE, ARMED, QUEUED, ACTIVE, CLOSING };

/* Words of the slots; the last one is the group's. */
mtype state[3] = ARMED;
byte owner[3];
bit ready[3], forced[3], user[3], control[3];
byte hints[3];

/* What a slot names as its group, its ticket; the inbox; the list of members. */
bit ref[2];
byte ticket[2];
byte clock;
byte inbox, below[2];
byte list;
bit ending;

/* For the properties, and what may still happen. */
bit torn;
byte handled; /* bits of the slots whose handlers run */
byte ticketed, passed[2]; /* bits of those that wait with their tickets, and how often they were passed */
byte doomed;
bit gone, absent, begun;
byte events, joins = JOINS, leaves = LEAVES, peers = PEERS, adds = ADDS, removes = REMOVES;
byte forces = FORCES, ends = ENDS, deaths = DEATHS;

#define LIVE_SLOT(s) (state[s] != FREE && state[s] != CLOSING)
#define MEMBER(m) (ref[m] != NO_GROUP && LIVE_SLOT(GROUP))
#define OWNED(s, me) (state[s] == ACTIVE && owner[s] == me)
#define OTHER(m) (1 - (m))

inline push(s) {
  hints[s]++;
  assert(hints[s] < 8)
}

/* SlotTable.request(); must: whether the caller must push. */
inline request(s, flag) {
  atomic {
    if
    :: LIVE_SLOT(s) -> flag = 1; must = (state[s] == ARMED); refused = 0;
       if
       :: must -> state[s] = QUEUED
       :: else
       fi
    :: else -> must = 0; refused = 1
    fi
  }
}

/* requestTurn(), and the push. */
inline requestGroup(flag) {
  request(GROUP, flag);
  if
  :: must -> atomic { push(GROUP); must = 0 }
  :: !must
  fi
}

/* enqueue(), toPush(): slot m has entered QUEUED. */
inline enqueue(m) {
  if
  :: atomic { ref[m] == NO_GROUP -> push(m) }
  :: ref[m] != NO_GROUP ->
     atomic { clock++; t = clock };
     ticket[m] = t;
     request(GROUP, user[GROUP]);
     if
     :: refused ->
        /* Once more: it may have joined another; there is none here. */
        atomic { push(m); refused = 0 }
     :: !refused ->
        atomic {
          if
          :: state[m] == QUEUED && ticket[m] == t -> ticketed = ticketed | BIT(m)
          :: else
          fi
        };
        if
        :: must -> atomic { push(GROUP); must = 0 }
        :: !must
        fi
     fi
  fi;
  t = 0
}

/* SlotTable.finish() of a member, and the push. */
inline finish(m, me) {
  atomic {
    assert(OWNED(m, me));
    owner[m] = NOBODY;
    must = (ready[m] || forced[m]);
    if
    :: must -> state[m] = QUEUED
    :: else -> state[m] = ARMED
    fi
  };
  if
  :: atomic { must -> must = 0 };
     enqueue(m)
  :: !must
  fi
}

inline finishGroup(me) {
  atomic {
    assert(OWNED(GROUP, me));
    owner[GROUP] = NOBODY;
    must = (user[GROUP] || forced[GROUP] || control[GROUP]);
    if
    :: must -> state[GROUP] = QUEUED
    :: else -> state[GROUP] = ARMED
    fi
  };
  if
  :: must -> atomic { push(GROUP); must = 0 }
  :: !must
  fi
}

#define UNTICKET(m) ticketed = ticketed & ~BIT(m); passed[m] = 0

/* C: who uses the list. */
#define USE_LIST assert(!torn)

inline link(m) {
  atomic { USE_LIST; torn = 1 };
  list = list | BIT(m);
  torn = 0
}

inline unlink(m) {
  atomic { USE_LIST; torn = 1 };
  list = list & ~BIT(m);
  torn = 0
}

/* leave(): owner of the slot, and of the group unless that has ended. */
inline leave(m, me) {
  if
  :: ref[m] == NO_GROUP
  :: ref[m] != NO_GROUP ->
     if
     :: LIVE_SLOT(GROUP) ->
        assert(OWNED(GROUP, me));
        unlink(m)
     :: !LIVE_SLOT(GROUP)
     fi;
     ref[m] = NO_GROUP
  fi
}

inline enlist(m) {
  ticket[m] = LATE;
  ref[m] = NAMED;
  do
  :: h = inbox;
     if
     :: h == CLOSED -> ref[m] = NO_GROUP; break
     :: h != CLOSED ->
        below[m] = h;
        if
#ifdef MUTANT_INBOX_BLIND
        :: true -> inbox = m + 1; break
#else
        :: atomic { inbox == h -> inbox = m + 1 };
           break
        :: inbox != h
#endif
        fi
     fi
  od;
  h = 0
}

/* adopt(), and #tearDown() of those that come to a group that ends. */
inline adopt(tearing) {
  if
  :: atomic { inbox == 0 || inbox == CLOSED -> skip }
  :: atomic { inbox != 0 && inbox != CLOSED -> h = inbox; inbox = 0 };
     do
     :: atomic { h == 0 -> break }
     :: h != 0 ->
        atomic { j = h - 1; h = below[j] };
        if
        :: ref[j] == NAMED && !(list & BIT(j)) ->
           link(j);
           if
           :: atomic { tearing && ending -> skip };
              request(j, forced[j]);
              if
              :: atomic { must -> must = 0 };
                 enqueue(j)
              :: !must
              fi
           :: !(tearing && ending)
           fi
        :: ref[j] != NAMED || (list & BIT(j))
        fi
     od;
     j = 0
  fi
}

/* begin(): makes the list again if it was asked for. */
inline rebuild(tookControl) {
  if
#ifdef MUTANT_NO_REBUILD
  :: skip
#else
  :: atomic { tookControl -> torn = 0 };
     adopt(0);
     list = 0;
     if
     :: atomic { ref[0] == NAMED && state[0] != FREE -> list = list | BIT(0) }
     :: ref[0] != NAMED || state[0] == FREE
     fi;
     if
     :: atomic { ref[1] == NAMED && state[1] != FREE -> list = list | BIT(1) }
     :: ref[1] != NAMED || state[1] == FREE
     fi
  :: !tookControl
#endif
  fi
}

/* What a claim takes with it. */
#define CLAIM(s) state[s] = ACTIVE; owner[s] = me; \
  tookReady = ready[s]; tookForced = forced[s]; tookControl = control[s]; \
  ready[s] = 0; forced[s] = 0; control[s] = 0; user[s] = 0

proctype worker(byte me) {
  bit tookReady, tookForced, tookControl, must, refused, inGroup, joining;
  byte m = NONE, peer = NONE, first = NONE, second = NONE, left, t, h, j;
#if DEATHS
  do
  :: {
#endif
end:
    do
    :: if
       :: atomic { hints[0] > 0 -> hints[0]--; m = 0 }
       :: atomic { hints[1] > 0 -> hints[1]--; m = 1 }
       :: atomic { hints[GROUP] > 0 -> hints[GROUP]-- };
          goto group
       fi;
       /* #runTurn */
#ifndef MUTANT_NO_STRAY_LOOK
       if
       :: MEMBER(m) -> goto over
       :: !MEMBER(m)
       fi;
#endif
       if
       :: state[m] != QUEUED -> goto over
       :: atomic { state[m] == QUEUED -> CLAIM(m); UNTICKET(m) }
       fi;
#if !defined(MUTANT_NO_STRAY_LOOK) && !defined(MUTANT_STRAY_ONCE)
       if
       :: MEMBER(m) ->
          /* restore() */
          atomic { ready[m] = ready[m] || tookReady; forced[m] = forced[m] || tookForced };
          finish(m, me);
          goto over
       :: !MEMBER(m)
       fi;
#endif
       goto turn;

group:
       if
       :: state[GROUP] != QUEUED -> goto over
       :: atomic { state[GROUP] == QUEUED -> CLAIM(GROUP); tookReady = 0; inGroup = 1; left = BUDGET }
       fi;
       rebuild(tookControl);
       tookControl = 0;
       adopt(1);
       if
       :: atomic { tookForced -> tookForced = 0; ending = 1; USE_LIST };
          if
          :: list & BIT(0) ->
             request(0, forced[0]);
             if
             :: atomic { must -> must = 0 };
                enqueue(0)
             :: !must
             fi
          :: !(list & BIT(0))
          fi;
          if
          :: list & BIT(1) ->
             request(1, forced[1]);
             if
             :: atomic { must -> must = 0 };
                enqueue(1)
             :: !must
             fi
          :: !(list & BIT(1))
          fi
       :: !tookForced
       fi;

next:
       /* #next(): who waits is looked up slot by slot, then sorted by ticket. */
       if
       :: atomic { left == 0 -> goto last }
       :: atomic { left > 0 -> left-- }
       fi;
       if
       :: first != NONE
       :: first == NONE ->
          adopt(1);
          if
          :: atomic { (list & BIT(0)) && state[0] == QUEUED -> USE_LIST; first = 0 }
          :: atomic { !((list & BIT(0)) && state[0] == QUEUED) -> USE_LIST }
          fi;
          if
          :: atomic { (list & BIT(1)) && state[1] == QUEUED ->
               if
               :: first == NONE -> first = 1
#ifndef MUTANT_NO_TICKETS
               :: first == 0 && ticket[1] < ticket[0] -> first = 1; second = 0
               :: first == 0 && ticket[1] >= ticket[0] -> second = 1
#else
               :: first == 0 -> second = 1
#endif
               fi
             }
          :: !((list & BIT(1)) && state[1] == QUEUED)
          fi
       fi;
       if
       :: atomic { first == NONE -> goto last }
       :: atomic { first != NONE -> m = first; first = second; second = NONE }
       fi;
#ifndef MUTANT_STALE_QUEUE
       if
       :: atomic { ref[m] != NAMED -> m = NONE; goto next }
       :: ref[m] == NAMED
       fi;
#endif
       if
       :: atomic { state[m] != QUEUED -> m = NONE; goto next }
       :: atomic {
            state[m] == QUEUED -> CLAIM(m);
            assert(ref[m] == NAMED); /* E */
            UNTICKET(m);
            /* F: the other one was passed. */
            if
            :: ticketed & BIT(OTHER(m)) -> passed[OTHER(m)]++; assert(passed[OTHER(m)] <= 2)
            :: else
            fi
          };
          ticket[m] = LATE
       fi;

turn:
       /* A handler, in a turn of its own or of the group. */
       atomic {
         assert(OWNED(m, me) && !(handled & BIT(m)));
         assert(!MEMBER(m) || OWNED(GROUP, me)); /* E */
         handled = handled | BIT(m);
         tookReady = 0
       };
       if
       :: atomic { tookForced -> tookForced = 0; handled = handled & ~BIT(m) };
          goto finished
       :: !tookForced ->
          if
          :: skip
#if JOINS
          :: atomic { joins > 0 && ref[m] == NO_GROUP && LIVE_SLOT(GROUP) -> joins-- };
             /* join(): at once if the group is at rest, else when the turn is over. */
             if
             :: atomic {
                  state[GROUP] == ARMED || state[GROUP] == QUEUED -> state[GROUP] = ACTIVE;
                  owner[GROUP] = me;
                  inGroup = 1;
                  left = BUDGET;
                  tookControl = control[GROUP]
                };
                rebuild(tookControl);
                tookControl = 0;
                ticket[m] = LATE;
                ref[m] = NAMED;
                link(m)
             :: atomic { state[GROUP] != ARMED && state[GROUP] != QUEUED -> joining = 1 }
             fi
#endif
#if LEAVES
          :: atomic { leaves > 0 && ref[m] != NO_GROUP && inGroup -> leaves-- };
             leave(m, me)
#endif
#if PEERS
          :: atomic { peers > 0 && inGroup && ref[m] != NO_GROUP -> peers-- };
             adopt(1);
             if
             :: atomic {
                  (list & BIT(OTHER(m))) && (state[OTHER(m)] == ARMED || state[OTHER(m)] == QUEUED) ->
                  USE_LIST;
                  peer = OTHER(m);
                  state[peer] = ACTIVE;
                  owner[peer] = me;
                  UNTICKET(peer);
                  assert(!(handled & BIT(peer)));
                  handled = handled | BIT(peer)
                };
                if
                :: skip
                :: leave(peer, me)
                fi
             :: !((list & BIT(OTHER(m))) && (state[OTHER(m)] == ARMED || state[OTHER(m)] == QUEUED))
             fi
#endif
          fi
       fi;
       atomic { handled = handled & ~BIT(m) };
#ifdef MUTANT_GIVE_BEFORE_ENLIST
       finish(m, me);
       if
       :: atomic { joining -> joining = 0 };
          enlist(m)
       :: !joining
       fi;
#else
       if
       :: atomic { joining -> joining = 0 };
          enlist(m)
       :: !joining
       fi;
       finish(m, me);
#endif
       goto concluded;

finished:
       /* Strands.beginEnd() and end(). */
       atomic { assert(OWNED(m, me)); state[m] = CLOSING; ready[m] = 0; forced[m] = 0 };
       leave(m, me);
       atomic { state[m] = FREE; owner[m] = NOBODY };

concluded:
       /* #conclude(): the peer's own end of its turn; what was ready of it is looked at by its handlers then. */
       if
       :: atomic { peer != NONE -> m = peer; peer = NONE; handled = handled & ~BIT(m); ready[m] = 0 };
          finish(m, me)
       :: peer == NONE
       fi;
       m = NONE;
       if
       :: inGroup -> goto next
       :: !inGroup -> goto over
       fi;

last:
       /* #end() */
       adopt(1);
       if
       :: atomic { ending && list == 0 -> USE_LIST };
          if
#ifdef MUTANT_CLOSE_BLIND
          :: atomic { true -> inbox = CLOSED };
#else
          :: atomic { inbox == 0 -> inbox = CLOSED };
#endif
             atomic { assert(OWNED(GROUP, me)); state[GROUP] = CLOSING };
             atomic { state[GROUP] = FREE; owner[GROUP] = NOBODY; inGroup = 0; left = 0; first = NONE; second = NONE };
             goto over
          :: inbox != 0 ->
             atomic { user[GROUP] = 1 }
          fi
#ifndef MUTANT_END_UNSEEN
       :: atomic { !(ending && list == 0) -> USE_LIST };
          if
          :: (list & BIT(0)) && state[0] == QUEUED -> user[GROUP] = 1
          :: !((list & BIT(0)) && state[0] == QUEUED) ->
             if
             :: (list & BIT(1)) && state[1] == QUEUED -> user[GROUP] = 1
             :: !((list & BIT(1)) && state[1] == QUEUED)
             fi
          fi
#else
       :: !(ending && list == 0)
#endif
       fi;
       finishGroup(me);
over:
       atomic {
         inGroup = 0; left = 0; m = NONE; first = NONE; second = NONE; tookReady = 0; tookForced = 0; tookControl = 0
       }
    od
#if DEATHS
  } unless { atomic { doomed == me -> gone = 1; absent = 1 } };
  atomic {
    doomed != me -> absent = 0;
    inGroup = 0; left = 0; m = NONE; first = NONE; second = NONE; peer = NONE; joining = 0; must = 0; refused = 0;
    tookReady = 0; tookForced = 0; tookControl = 0; t = 0; h = 0; j = 0
  }
  od
#endif
}

/* The poller, and other threads that ask for the end of a slot. */
active [2] proctype world() {
  bit must, refused;
  byte m, t;
  begun;
end:
  do
  :: atomic {
       events > 0 -> events--;
       if
       :: m = 0
       :: m = 1
       fi
     };
#ifdef MUTANT_REQUEST_FIRST
     if
     :: ref[m] != NO_GROUP -> requestGroup(user[GROUP])
     :: ref[m] == NO_GROUP
     fi;
#endif
     atomic {
       must = (state[m] == ARMED && !ready[m]);
       if
       :: LIVE_SLOT(m) -> ready[m] = 1
       :: else
       fi;
       if
       :: must -> state[m] = QUEUED
       :: else
       fi
     };
     if
     :: atomic { must -> must = 0 };
#ifdef MUTANT_REQUEST_FIRST
        if
        :: ref[m] == NO_GROUP -> push(m)
        :: ref[m] != NO_GROUP
        fi
#else
        enqueue(m)
#endif
     :: !must
     fi;
     m = 0
#if FORCES
  :: atomic {
       forces > 0 -> forces--;
       if
       :: m = 0
       :: m = 1
       fi
     };
     request(m, forced[m]);
     if
     :: atomic { must -> must = 0 };
        enqueue(m)
     :: !must
     fi;
     m = 0
#endif
#if DEATHS
  :: atomic {
       deaths > 0 && doomed == NOBODY && !absent -> deaths--;
       if
       :: doomed = 1
#if WORKERS > 1
       :: doomed = 2
#endif
       fi
     }
#endif
  od
}

#if ADDS || REMOVES || ENDS
/* Group.add(), remove() and teardown(). */
active [APPS] proctype app() {
  bit must, refused, tookControl;
  byte m, t, h, j;
  begun;
end:
  do
#if ADDS
  :: atomic {
       adds > 0 && LIVE_SLOT(GROUP) -> adds--;
       if
       :: m = 0
       :: m = 1
       fi
     };
     if
     :: atomic {
          ref[m] == NO_GROUP && (state[m] == ARMED || state[m] == QUEUED) -> state[m] = ACTIVE;
          owner[m] = APP;
          UNTICKET(m)
        };
        /* It was seized with its bits, which restore() puts back. */
        enlist(m);
        finish(m, APP);
        requestGroup(user[GROUP])
     :: !(ref[m] == NO_GROUP && (state[m] == ARMED || state[m] == QUEUED))
     fi;
     m = 0
#endif
#if REMOVES
  :: atomic {
       removes > 0 -> removes--;
       if
       :: m = 0
       :: m = 1
       fi
     };
     if
     :: atomic {
          state[GROUP] == ARMED || state[GROUP] == QUEUED -> state[GROUP] = ACTIVE;
          owner[GROUP] = APP;
          tookControl = control[GROUP]
        };
        rebuild(tookControl);
        tookControl = 0;
        adopt(0);
        if
        :: atomic {
             ref[m] == NAMED && (state[m] == ARMED || state[m] == QUEUED) -> state[m] = ACTIVE;
             owner[m] = APP;
             UNTICKET(m)
           };
           leave(m, APP);
           finish(m, APP)
        :: !(ref[m] == NAMED && (state[m] == ARMED || state[m] == QUEUED))
        fi;
        finishGroup(APP);
        requestGroup(user[GROUP])
     :: state[GROUP] != ARMED && state[GROUP] != QUEUED
     fi;
     m = 0
#endif
#if ENDS
  :: atomic { ends > 0 -> ends-- };
     requestGroup(forced[GROUP])
#endif
  od
}
#endif

#if DEATHS
/* reapSlots(): the slots, behind them the group if the dead one had it. */
active proctype reaper() {
  bit must, refused;
  byte m, t;
end:
  do
  :: atomic { gone -> gone = 0; handled = (owner[0] == doomed -> handled & ~BIT(0) : handled) };
     atomic { handled = (owner[1] == doomed -> handled & ~BIT(1) : handled) };
#ifdef MUTANT_FORGET_LATE
     if
     :: atomic { OWNED(GROUP, doomed) -> owner[GROUP] = NOBODY; control[GROUP] = 1; state[GROUP] = QUEUED };
        push(GROUP)
     :: !OWNED(GROUP, doomed)
     fi;
#endif
     do
     :: atomic { m == 2 -> m = 0; break }
     :: atomic { m < 2 && OWNED(m, doomed) -> owner[m] = NOBODY; forced[m] = 1; state[m] = QUEUED };
#ifndef MUTANT_NO_CONTROL
        if
        :: ref[m] != NO_GROUP -> requestGroup(control[GROUP])
        :: ref[m] == NO_GROUP
        fi;
#endif
        enqueue(m);
        m++
     :: atomic { m < 2 && state[m] == CLOSING && owner[m] == doomed -> state[m] = ACTIVE; owner[m] = SUPERVISOR };
#ifndef MUTANT_NO_CONTROL
        if
        :: ref[m] != NO_GROUP -> requestGroup(control[GROUP])
        :: ref[m] == NO_GROUP
        fi;
#endif
        /* finishClosing() */
        ref[m] = NO_GROUP;
        atomic { state[m] = FREE; owner[m] = NOBODY; ready[m] = 0; forced[m] = 0; m++ }
#ifndef MUTANT_NO_PUSH_AGAIN
     :: m < 2 && owner[m] != doomed && state[m] == QUEUED ->
        enqueue(m);
        m++
     :: atomic { m < 2 && owner[m] != doomed && state[m] != QUEUED -> m++ }
#else
     :: atomic { m < 2 && owner[m] != doomed -> m++ }
#endif
     od;
     if
     :: atomic { OWNED(GROUP, doomed) -> owner[GROUP] = NOBODY; control[GROUP] = 1; state[GROUP] = QUEUED };
        push(GROUP)
     :: atomic { state[GROUP] == CLOSING && owner[GROUP] == doomed -> state[GROUP] = FREE; owner[GROUP] = NOBODY }
#ifndef MUTANT_NO_PUSH_AGAIN
     :: atomic { owner[GROUP] != doomed && state[GROUP] == QUEUED -> push(GROUP) }
     :: owner[GROUP] != doomed && state[GROUP] != QUEUED
#else
     :: owner[GROUP] != doomed
#endif
     fi;
     doomed = NOBODY
  od
}
#endif

init {
  byte i;
  atomic {
    select(events : 0 .. EVENTS);
    ticket[0] = LATE;
    ticket[1] = LATE;
    ref[0] = MEMBERS & 1;
    ref[1] = MEMBERS >> 1;
    list = MEMBERS;
    for (i : 1 .. WORKERS) { run worker(i) }
    i = 0;
    begun = 1
  }
}

#ifdef LIVE
ltl live { ([]<>(state[0] != QUEUED)) && ([]<>(state[1] != QUEUED)) && ([]<>(state[GROUP] != QUEUED)) }
#else
#define AT_REST(s) (state[s] == FREE || (state[s] == ARMED && !ready[s] && !forced[s]))

/* Nobody can do anything any more. */
active proctype rest() {
end:
  timeout ->
  assert(hints[0] == 0 && hints[1] == 0 && hints[GROUP] == 0 && doomed == NOBODY && handled == 0);
  assert(AT_REST(0) && AT_REST(1) && AT_REST(GROUP)); /* R */
  assert(!(user[GROUP] || control[GROUP]) || state[GROUP] == FREE);
  assert(!ending || state[GROUP] == FREE);
  /* The list and the inbox are what the slots name. */
  if
  :: state[GROUP] == FREE
  :: state[GROUP] != FREE ->
     assert(!(list & BIT(0)) || (ref[0] == NAMED && state[0] != FREE));
     assert(!(list & BIT(1)) || (ref[1] == NAMED && state[1] != FREE));
     assert(ref[0] == NO_GROUP || state[0] == FREE || (list & BIT(0)) || inbox != 0);
     assert(ref[1] == NO_GROUP || state[1] == FREE || (list & BIT(1)) || inbox != 0)
  fi
}
#endif
