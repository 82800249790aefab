// Handlers for what happens between accept and close.
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, swap, waitAtGate } from './journal.mjs';

const OPENED = 1;
const CLOSED = 2;
const GATE = 3;
const TWICE = 4;
const WAITING = 5;
const BYTES = 6;
/** One counter for each descriptor: 1 while a connection of it is open. */
const EACH = 16;
const SLOTS = 900;

const enter = (connection) => {
  if (connection.fd < SLOTS && !swap(EACH + connection.fd, 0, 1)) count(TWICE);
  count(OPENED);
};
const leave = (connection) => {
  if (connection.fd < SLOTS && !swap(EACH + connection.fd, 1, 0)) count(TWICE);
  count(CLOSED);
};

export default defineHandlers(
  {
    /** HTTP/1.0: one request, one answer, close. */
    http: {
      open: enter,
      data(connection) {
        const { input } = connection;
        if (!input.includes('\r\n\r\n')) return;
        const path = input.toString('latin1').split(' ')[1];
        connection.consume();
        const body = `you asked for ${path}\n`;
        connection.end(`HTTP/1.0 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      },
      close: leave,
    },
    /** One byte in, the same byte out, then the end. */
    byte: {
      open: enter,
      data(connection) {
        connection.end(connection.read(1));
      },
      close: leave,
    },
    /** Echo that counts who comes and goes. */
    counted: {
      open: enter,
      data(connection) {
        connection.write(connection.read());
      },
      close: leave,
    },
    /** Counts bytes and answers nothing: an answer that the peer reads would be one more event. */
    silent: {
      data(connection) {
        count(BYTES, connection.inputLength);
        connection.consume();
      },
    },
    /** Blocks the worker in `open` until the gate is open. */
    gated: {
      open(connection) {
        enter(connection);
        count(WAITING);
        waitAtGate(GATE);
      },
      data(connection) {
        connection.write(connection.read());
      },
      close: leave,
    },
    /** Greets at once and ends. */
    greets: {
      open(connection) {
        enter(connection);
        connection.end('hello\n');
      },
      close: leave,
    },
    /** Destroys at once. */
    refuses: {
      open(connection) {
        enter(connection);
        connection.destroy();
      },
      close(connection, reason) {
        leave(connection);
        note({ on: 'close', type: reason.type });
      },
    },
  },
  { init: openJournal },
);
