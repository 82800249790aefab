import { createServer, type Server, type Socket } from 'node:net';

import { workIfAsked } from './work.ts';

/** An echo server as `node:net` does it with the least work: no pipe, and reading stops while output waits. */
export function createEchoServer(workSteps: number): Server {
  // allowHalfOpen: the client's end is answered by ours, after everything was sent back.
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    echo(socket, workSteps);
  });
}

function echo(socket: Socket, workSteps: number): void {
  socket.on('data', (chunk) => {
    workIfAsked(chunk, workSteps);
    if (!socket.write(chunk)) socket.pause();
  });
  socket.on('drain', () => {
    socket.resume();
  });
  socket.on('end', () => {
    socket.end();
  });
  socket.on('error', () => {
    socket.destroy();
  });
}
