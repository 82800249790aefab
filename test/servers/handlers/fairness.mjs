// Handlers that take one message a call.
import { defineHandlers } from 'wakeone/worker';
import { count, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const ARRIVED = 1;
const GATE = 2;
const GATE_AT = 0xffffffff;
/** Answers of this worker. */
let answers = 0;

const echo = {
  data(connection) {
    connection.write(connection.input);
    connection.consume();
  },
};

export default defineHandlers(
  {
    echo,
    /** A message is a number of four bytes; the answer is the number, and how many answers there were before. */
    single: {
      maxMessagesPerTurn: 8,
      data(connection) {
        if (connection.inputLength < 4) return;
        const number = connection.read(4);
        if (number.readUInt32BE() === GATE_AT) {
          count(ARRIVED);
          waitAtGate(GATE);
        }
        const place = Buffer.alloc(4);
        place.writeUInt32BE(answers++);
        connection.write(Buffer.concat([number, place]));
      },
    },
  },
  { init: openJournal },
);
