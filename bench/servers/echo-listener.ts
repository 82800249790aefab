import { createServer, type Server, type Socket } from 'node:net';

/** An echo server as `node:net` does it with the least work: no pipe, and reading stops while output waits. */
export function createEchoServer(): Server {
  // allowHalfOpen: the client's end is answered by ours, after everything was sent back.
  return createServer({ allowHalfOpen: true, noDelay: true }, echo);
}

function echo(socket: Socket): void {
  socket.on('data', (chunk) => {
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
