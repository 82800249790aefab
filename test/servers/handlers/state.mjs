// Handlers that count in the state of what they serve.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers, group, workerId } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const GATE = 1;
const HELD = 2;
const TOLD = 3;

/** What a handler has kept from an earlier turn. */
const kept = [];

const codeOf = (act) => {
  try {
    act();
    return 'none';
  } catch (error) {
    return error.code ?? error.name;
  }
};

/** Takes whole lines. */
function* linesOf(connection) {
  for (let end; (end = connection.input.indexOf(10)) >= 0;)
    yield connection
      .read(end + 1)
      .toString()
      .trim();
}

const counting = {
  state: { messages: 'u32', bytes: 'f64', workers: 'u32', id: 'u64', named: 'bool', name: 'bytes(8)' },
  open(connection) {
    const { messages, bytes, workers, id, named, name } = connection.state;
    const zero = messages === 0 && bytes === 0 && workers === 0 && id === 0n && !named;
    note({ on: 'open', fd: connection.fd, zero: zero && name.every((byte) => byte === 0) });
    connection.state.id = 2n ** 63n + BigInt(connection.fd);
  },
  data(connection) {
    const { state } = connection;
    for (const line of linesOf(connection)) {
      state.messages++;
      state.bytes += line.length + 1;
      state.workers |= 1 << workerId();
      if (line === 'die') process.exit(7);
      if (line.startsWith('name ')) {
        state.name = Buffer.from(line.slice(5));
        state.named = true;
      }
      const name = state.name.toString().replaceAll('\0', '');
      const own = state.id === 2n ** 63n + BigInt(connection.fd);
      connection.write(`${state.messages} ${state.bytes} ${own} ${state.named ? name : '-'}\n`);
    }
  },
  close(connection, reason) {
    const { messages, bytes, workers } = connection.state;
    note({ on: 'close', fd: connection.fd, type: reason.type, messages, bytes, workers });
  },
};

/** What an FdEvent's handler counts. */
const calls = (on) => ({
  state: { calls: 'u16', sum: 'i64' },
  event(event) {
    if (event.readable) event.read();
    event.state.calls++;
    event.state.sum += BigInt(event.value);
    const { calls: made, sum } = event.state;
    note({ on, worker: workerId(), calls: made, sum: Number(sum), last: event.last });
    if (on === 'tick' && made === 5) event.teardown();
  },
});

export default defineHandlers(
  {
    counting,
    /** Dies in its first turn, having counted. */
    dies: {
      state: { calls: 'u32' },
      event(event) {
        if (event.last) {
          note({ on: 'died', type: event.reason.type, calls: event.state.calls });
          return;
        }
        event.state.calls += 5;
        process.exit(7);
      },
    },
    /** Another record. */
    small: {
      state: { low: 'u8', high: 'i16' },
      data(connection) {
        for (const _ of linesOf(connection)) {
          connection.state.low++;
          connection.state.high--;
          connection.write(`${connection.state.low} ${connection.state.high}\n`);
        }
      },
    },
    raw: calls('raw'),
    told: calls('told'),
    tick: calls('tick'),
    item: calls('item'),
    /** Members of a group count in it, and in themselves. */
    member: {
      state: { mine: 'u32' },
      data(connection) {
        for (const _ of linesOf(connection)) {
          const { state } = connection.group;
          connection.state.mine++;
          state.said++;
          state.last = BigInt(connection.fd);
          let all = connection.state.mine;
          for (const peer of connection.peers) all += peer.state.mine;
          if (all !== state.said) count(TOLD);
          connection.write(`${connection.state.mine} ${state.said}\n`);
        }
      },
      close: (connection) => note({ on: 'left', said: connection.group.state.said }),
    },
    bell(event) {
      if (event.last) return;
      event.group.state.rung++;
      note({ on: 'bell', rung: event.group.state.rung, said: event.group.state.said });
    },
    /** Holds its group until the gate opens. */
    holds(event) {
      if (event.last) return;
      count(HELD);
      waitAtGate(GATE);
      event.group.state.rung = 7;
    },
    /** Joins the group that it is told, or a new one. */
    joins: {
      data(connection) {
        for (const line of linesOf(connection)) {
          if (line === 'again') {
            connection.write(`${connection.group.state.rung}\n`);
            continue;
          }
          const joined = connection.joinGroup(line === 'new' ? undefined : JSON.parse(line));
          const code = codeOf(() => {
            joined.state.rung++;
          });
          connection.write(`${code}\n`);
        }
      },
    },
    /** Keeps what it was given, and says what that throws in the next turn. */
    keeps: {
      state: { seq: 'u32' },
      data(connection) {
        connection.consume();
        if (kept.length === 0) {
          const own = connection.joinGroup();
          connection.state.seq = 1;
          own.state.said = 1;
          kept.push(connection, connection.state, own, own.state);
          connection.write('kept\n');
          return;
        }
        const [handle, state, own, shared] = kept;
        const codes = [
          () => handle.state,
          () => state.seq,
          () => {
            state.seq = 2;
          },
          () => own.state,
          () => shared.said,
          () => group(own.id).state,
          () => {
            connection.state.sqe = 1;
          },
        ].map(codeOf);
        connection.write(`${codes.join(' ')} ${connection.state.seq} ${connection.group.state.said}\n`);
      },
    },
    /** Async: its state is there until it settles, or is given up; the third time it does not settle in time. */
    slow: {
      state: { before: 'u8', behind: 'u8' },
      open: (connection) => note({ on: 'slow', id: connection.registration.id }),
      async data(connection) {
        connection.consume();
        const { state } = connection;
        state.before++;
        await after(1);
        state.behind++;
        connection.write(`${state.before} ${state.behind}\n`);
        if (state.behind < 3) return;
        await after(200);
        note({ on: 'late', code: codeOf(() => state.behind++) });
      },
      close: ({ state }) => note({ on: 'slow over', before: state.before, behind: state.behind }),
    },
    /** Has no state. */
    plain: {
      data(connection) {
        connection.consume();
        const codes = [() => connection.state, () => (connection.state.seq = 1)].map(codeOf);
        connection.write(`${codes.join(' ')}\n`);
      },
    },
  },
  { groupState: { said: 'u32', rung: 'u32', last: 'u64' }, init: openJournal },
);
