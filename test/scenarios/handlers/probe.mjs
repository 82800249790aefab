// Handlers that note in shared memory what they saw. The tests' `workerData` brings the memory and the names of its words
// (support/probe.ts). Word 0 of the memory counts everything that happens: tests wait on it.
import { closeSync, readlinkSync } from 'node:fs';
import { defineHandlers, registration, workerId } from 'wakeone/worker';

let words = new Int32Array(new SharedArrayBuffer(4));
let field = {};
let stride = 0;
let reasons = [];
let thread = 0;

const at = (event) => Number(event.cookie & 0xffffffffn) * stride;

function happened() {
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
}

function note(block, name, value = 1) {
  Atomics.add(words, block + field[name], value);
}

function put(block, name, value) {
  Atomics.store(words, block + field[name], value);
}

function get(block, name) {
  return Atomics.load(words, block + field[name]);
}

function bitsOf(event) {
  return (
    (event.readable ? 1 : 0) |
    (event.writable ? 2 : 0) |
    (event.priority ? 4 : 0) |
    (event.peerEnded ? 8 : 0) |
    (event.hangup ? 16 : 0) |
    (event.error ? 32 : 0)
  );
}

function enter(block) {
  if (Atomics.compareExchange(words, block + field.RUNNING, 0, 1) !== 0) note(block, 'VIOLATIONS');
  if (get(block, 'LAST') !== 0) note(block, 'LATE');
  Atomics.or(words, block + field.WORKERS, 1 << workerId());
  put(block, 'THREAD', thread);
}

/** After what the handler was given was noted: who sees the count sees that too. */
function count(block, last) {
  note(block, last ? 'LAST' : 'COUNT');
  happened();
}

function leave(block) {
  note(block, 'DONE');
  if (Atomics.compareExchange(words, block + field.RUNNING, 1, 0) !== 1) note(block, 'VIOLATIONS');
  happened();
}

function noteReason(block, reason) {
  put(block, 'REASON', reasons.indexOf(reason.type) + 1);
  put(block, 'DETAIL', reason.detail ?? 0);
}

function noteEvent(block, event) {
  const bits = bitsOf(event);
  Atomics.or(words, block + field.SEEN, bits);
  put(block, 'LATEST', bits);
  put(block, 'FD', event.fd);
  put(block, 'COOKIE_HIGH', Number(BigInt.asIntN(32, event.cookie >> 32n)));
  if (event.last) noteReason(block, event.reason);
  else {
    if (event.value !== 0) note(block, 'VALUES', event.value);
    else if (bits === 0) note(block, 'UNASKED');
    if ((bits & get(block, 'FORBIDDEN')) !== 0) note(block, 'ERRORS');
  }
}

/**
 * Wraps a handler's body with the notes.
 * @param {(event: any, block: number) => unknown} body
 * @param {((event: any, block: number) => unknown) | undefined} lastBody
 */
function probed(body, lastBody) {
  return (event) => {
    const block = at(event);
    enter(block);
    let result;
    try {
      noteEvent(block, event);
      count(block, event.last);
      result = event.last ? lastBody?.(event, block) : body(event, block);
    } finally {
      if (!(result instanceof Promise)) leave(block);
    }
    if (result instanceof Promise) return result.finally(() => leave(block));
  };
}

function hash(block, bytes) {
  let value = get(block, 'HASH') >>> 0 || 2166136261;
  for (const byte of bytes) value = Math.imul(value ^ byte, 16777619) >>> 0;
  put(block, 'HASH', value | 0);
}

function readOnce(event, block, maxBytes) {
  try {
    const bytes = event.read(maxBytes);
    if (bytes === null) return false;
    hash(block, bytes);
    note(block, 'BYTES', bytes.length);
    if (bytes.length === 0) note(block, 'ENDS');
    return bytes.length > 0;
  } catch (error) {
    put(block, 'ERRNO', -error.errno);
    return false;
  }
}

function drain(event, block) {
  if (!readOnce(event, block)) note(block, 'EMPTY');
  else while (readOnce(event, block));
}

/** Waits until the test permits one more handler to go on. */
function gate(block) {
  // What was noted before the gate is for the test to see.
  note(block, 'GATED');
  happened();
  const word = block + field.PERMITS;
  for (;;) {
    const permits = Atomics.load(words, word);
    if (permits === 0) Atomics.wait(words, word, 0);
    else if (Atomics.compareExchange(words, word, permits, permits - 1) === permits) return;
  }
}

async function gateAsync(block) {
  note(block, 'GATED');
  happened();
  const word = block + field.PERMITS;
  for (;;) {
    const permits = Atomics.load(words, word);
    if (permits === 0) {
      const waiting = Atomics.waitAsync(words, word, 0);
      if (waiting.async) await waiting.value;
    } else if (Atomics.compareExchange(words, word, permits, permits - 1) === permits) return;
  }
}

const target = (block) =>
  registration({ fd: get(block, 'TARGET_FD'), generation: get(block, 'TARGET_GENERATION') });

function noteStep(block, number) {
  put(block, 'ORDER', (get(block, 'ORDER') << 4) | number);
}

function step(name, number, body = () => {}) {
  return (connection, argument) => {
    const block = at(connection);
    enter(block);
    put(block, 'FD', connection.fd);
    noteStep(block, number);
    if (name === 'close') noteReason(block, argument);
    count(block, name === 'close');
    try {
      return body(connection, block, argument);
    } finally {
      leave(block);
    }
  };
}

export default defineHandlers(
  {
    /** Reads all that is there. */
    drain: probed(drain),
    /** Reads one byte. */
    single: probed((event, block) => {
      if (!readOnce(event, block, 1)) note(block, 'EMPTY');
    }),
    /** Reads one byte, having waited at the gate. */
    gatedSingle: probed((event, block) => {
      gate(block);
      if (!readOnce(event, block, 1)) note(block, 'EMPTY');
    }),
    /** Reads all if there is something; notes what was posted. */
    posted: probed((event, block) => {
      if (event.readable) drain(event, block);
    }),
    /** Waits at the gate, then as posted. */
    gatedPosted: probed((event, block) => {
      gate(block);
      if (event.readable) drain(event, block);
    }),
    /** Triggers another registration. */
    triggerer: probed((event, block) => {
      drain(event, block);
      target(block).trigger(2);
    }),
    /** Re-arms and triggers itself, as often as there are permits. */
    rearmsAndTriggers: probed((event, block) => {
      if (event.readable) drain(event, block);
      event.rearm();
      if (get(block, 'PERMITS') === 0) return;
      note(block, 'PERMITS', -1);
      event.registration.trigger(1);
    }),
    /** Reads nothing. */
    idle: probed(() => {}),
    /** Says that it has used everything up, and has not. */
    pretend: probed((event) => {
      event.exhausted('in');
      event.exhausted('out');
    }),
    /** Waits at the gate, then reads all. */
    gated: probed((event, block) => {
      gate(block);
      drain(event, block);
    }),
    /** Reads all, then waits at the gate: what comes meanwhile comes between the last read and the re-arm. */
    drainThenGate: probed((event, block) => {
      drain(event, block);
      gate(block);
    }),
    /** Waits at the gate and reads nothing. */
    gatedIdle: probed((_, block) => gate(block)),
    /** Busy for some microseconds, then reads all. */
    busy: probed((event, block) => {
      const until = performance.now() + 0.03;
      while (performance.now() < until);
      drain(event, block);
    }),
    /** Writes until the kernel takes no more. */
    fill: probed((event, block) => {
      const chunk = Buffer.alloc(4096, 1);
      try {
        for (let sent = event.write(chunk); sent > 0; sent = event.write(chunk)) note(block, 'BYTES', sent);
      } catch (error) {
        put(block, 'ERRNO', -error.errno);
      }
    }),
    /** Reads if it may; what it could write it does not, and so is called again and again. */
    reader: probed((event, block) => {
      if (event.readable) drain(event, block);
    }),
    rearming: probed((event, block) => {
      drain(event, block);
      event.rearm();
    }),
    rearmingTwice: probed((event, block) => {
      event.rearm();
      drain(event, block);
      event.rearm();
    }),
    /** Tears itself down. */
    ending: probed((event, block) => {
      drain(event, block);
      event.teardown(42);
    }),
    /** Tears another registration down, having waited at the gate. */
    killer: probed((event, block) => {
      gate(block);
      void target(block).teardown(7);
      drain(event, block);
    }),
    /** Changes another registration. */
    changer: probed((event, block) => {
      drain(event, block);
      try {
        target(block).modify({ events: get(block, 'COUNT') % 2 === 0 ? ['in'] : ['in', 'out'] });
      } catch (error) {
        if (error.code === 'ERR_WAKEONE_STALE_REGISTRATION') note(block, 'EMPTY');
        else note(block, 'ERRORS');
      }
    }),
    /** The last delivery waits at the gate, then reads what is still there. */
    lingering: probed(drain, (event, block) => {
      gate(block);
      drain(event, block);
    }),
    /** The last delivery is async and waits at the gate without blocking its worker. */
    lingeringAsync: probed(drain, async (event, block) => {
      await gateAsync(block);
      drain(event, block);
    }),
    /** The last delivery never settles. */
    endless: probed(drain, (_, block) => {
      put(block, 'RUNNING', 0);
      return new Promise(() => {});
    }),
    /** Closes its descriptor behind the pool's back. */
    closing: probed((event) => closeSync(event.fd)),
    /** Takes its worker with it. */
    crashing: probed((_, block) => {
      put(block, 'RUNNING', 0);
      process.exit(3);
    }),
    throwing: probed(() => {
      throw new Error('thrown on purpose');
    }),
    rejecting: probed(async () => {
      throw new Error('rejected on purpose');
    }),
    /** Waits at the gate without blocking its worker, then reads all. */
    patient: probed(async (event, block) => {
      await gateAsync(block);
      drain(event, block);
    }),
    /** As patient, and gives up when it is asked to. */
    obedient: probed((event, block) => {
      const { signal } = event;
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          note(block, 'ABORTS');
          resolve();
        });
      });
    }),
    /** Never settles; after it was revoked it tries to go on. */
    stubborn: probed((event, block) => {
      event.signal.addEventListener('abort', () => {
        note(block, 'ABORTS');
        // It is to be revoked: from now on the last delivery may overtake it.
        put(block, 'RUNNING', 0);
        const attempt = () => {
          try {
            event.read();
            setTimeout(attempt, 5);
          } catch (error) {
            put(block, 'REVOKED', error.code === 'ERR_WAKEONE_NOT_OWNER' ? 1 : 2);
            happened();
          }
        };
        attempt();
      });
      return new Promise(() => {});
    }),
    /** Keeps its event and uses it in the next delivery. */
    hoarder: (() => {
      let kept;
      return probed((event, block) => {
        if (kept !== undefined) {
          try {
            kept.read();
            put(block, 'REVOKED', 2);
          } catch (error) {
            put(block, 'REVOKED', error.code === 'ERR_WAKEONE_NOT_OWNER' ? 1 : 2);
          }
        }
        kept = event;
        drain(event, block);
      });
    })(),
    /** A connection that reads what comes. */
    connection: {
      open: step('open', 1, (_, block) => note(block, 'OPENS')),
      data: step('data', 2, (connection, block) => {
        const bytes = connection.read();
        hash(block, bytes);
        note(block, 'BYTES', bytes.length);
      }),
      end: step('end', 3, (_, block) => note(block, 'ENDS')),
      drain: step('drain', 4, (_, block) => note(block, 'DRAINS')),
      error: step('error', 5, (_, block, error) => {
        note(block, 'ERRORS');
        put(block, 'ERRNO', -(error.errno ?? 0));
      }),
      close: step('close', 6),
    },
    /** A connection that sends more than its peer takes at once, with each byte that it gets. */
    sender: {
      open: step('open', 1),
      data: step('data', 2, (connection, block) => {
        note(block, 'BYTES', connection.inputLength);
        connection.consume();
        connection.write(Buffer.alloc(4 << 20, 7));
      }),
      end: step('end', 3, (_, block) => note(block, 'ENDS')),
      drain: step('drain', 4, (_, block) => note(block, 'DRAINS')),
      error: step('error', 5, (_, block) => note(block, 'ERRORS')),
      close: step('close', 6),
    },
    /** A connection whose data handler waits at the gate. */
    gatedConnection: {
      open: step('open', 1),
      data: step('data', 2, (connection, block) => {
        note(block, 'BYTES', connection.inputLength);
        gate(block);
        connection.consume();
      }),
      end: step('end', 3),
      error: step('error', 5, (_, block) => note(block, 'ERRORS')),
      close: step('close', 6),
    },
  },
  {
    init(data) {
      words = new Int32Array(data.memory);
      field = data.field;
      stride = data.stride;
      reasons = data.reasons;
      thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    },
  },
);
