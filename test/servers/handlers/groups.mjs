// Members of groups. Counter INSIDE counts how many handlers run at once; OVERLAP how often there was another one.
import { setTimeout as after } from 'node:timers/promises';
import { connect, defineHandlers, group, userEvent, workerId } from 'wakeone/worker';
import { count, counted, note, openJournal, waitAtGate } from './journal.mjs';

const CALLS = 1;
const GATE = 3;
const INSIDE = 4;
const HELD = 5;
const OVERLAP = 7;
const OTHERS = 8;
const BREATH = 20;

function alone(act) {
  if (count(INSIDE) !== 0) count(OVERLAP);
  try {
    return act();
  } finally {
    count(INSIDE, -1);
  }
}

/** Long enough for another worker to be there, if it were allowed. */
function spin(microseconds) {
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
}

export default defineHandlers(
  {
    /** Alone; then it counts, so that who waits for the count finds nobody inside. */
    tally(event) {
      alone(() => spin(BREATH));
      if (!event.last) count(CALLS);
    },
    /** Notes what came, in the order in which it comes; a value of 1 is held at the gate. */
    told(event) {
      alone(() => {
        if (event.value === 1) {
          count(HELD);
          waitAtGate(GATE);
        }
        note({ on: event.last ? 'last' : 'told', value: event.value, cookie: Number(event.cookie) });
      });
    },
    async slow(event) {
      if (count(INSIDE) !== 0) count(OVERLAP);
      await after(2);
      if (event.last) note({ on: 'last' });
      else count(CALLS);
      count(INSIDE, -1);
    },
    throws(event) {
      if (event.last) return;
      throw new Error(`value ${event.value}`);
    },
    async rejects(event) {
      await after(1);
      throw new Error(`value ${event.value}`);
    },
    dies(event) {
      if (event.last) note({ on: 'last' });
      else process.exit(3);
    },
    async hangs(event) {
      if (event.last) return note({ on: 'last', reason: event.reason });
      note({ on: 'hangs' });
      await new Promise((resolve) => event.signal.addEventListener('abort', resolve));
      note({ on: 'aborted' });
    },
    /** Posts to the next one of its own group. */
    posts(event) {
      alone(() => {
        if (event.last) return;
        userEvent('next').post(2);
        note({ on: 'posted' });
      });
    },
    other(event) {
      if (!event.last) count(OTHERS);
    },
    /** Always ready again. */
    restless(event) {
      if (event.last) return;
      count(CALLS);
      if (counted(OTHERS) === 0) userEvent(`restless ${event.cookie}`).post();
    },
    /** A connection: echoes, counts, and does what it is told. */
    echo: {
      open(connection) {
        alone(() => note({ on: 'open', grouped: connection.group !== undefined }));
      },
      data(connection) {
        alone(() => {
          spin(BREATH);
          count(CALLS);
          const text = connection.read().toString();
          if (text === 'leave') connection.leaveGroup();
          if (text === 'twice') group();
          if (text === 'destroy') connection.destroy();
          if (text === 'throw') throw new Error('as told');
          if (text === 'die') process.exit(3);
          if (text === 'gate') {
            count(HELD);
            waitAtGate(GATE);
          }
          if (text === 'others') for (const peer of connection.peers) peer.write('from another');
          if (text === 'each') {
            const told = connection.peers.map((peer) => [peer.writable, peer.write('each')]);
            note({
              on: 'each',
              told: told.toSorted(([a], [b]) => Number(a) - Number(b)),
              writable: connection.writable,
            });
          }
          if (text === 'end') {
            connection.end(text);
            return;
          }
          if (text === 'drop') for (const peer of connection.peers) peer.destroy();
          if (text.startsWith('join ')) {
            const joined = connection.joinGroup(JSON.parse(text.slice(5)));
            note({ on: 'joined', id: joined.id });
          }
          connection.write(text);
        });
      },
      close(connection, reason) {
        alone(() => note({ on: 'close', type: reason.type, detail: reason.detail }));
      },
    },
    /** A pair: whoever is accepted connects to the address in its first line. */
    near: {
      data(connection) {
        if (connection.group !== undefined) {
          alone(() => note({ on: 'near', worker: workerId(), peers: connection.peers.length }));
          connection.peers[0]?.write(connection.read());
          return;
        }
        const made = connection.joinGroup();
        connect({ ...JSON.parse(connection.read().toString()), handler: 'far', group: made });
        connection.peers[0]?.write('early');
        note({ on: 'paired', size: made.size });
      },
      close: () => note({ on: 'near closed' }),
    },
    far: {
      open: (connection) => alone(() => note({ on: 'far open', peers: connection.peers.length })),
      data(connection) {
        alone(() => {
          spin(BREATH);
          connection.peers[0]?.write(connection.read());
        });
      },
      error: (connection, { code }) => {
        for (const peer of connection.peers) peer.end(code);
      },
      close: () => note({ on: 'far closed' }),
    },
  },
  { init: openJournal },
);
