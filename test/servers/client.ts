/** A client over node:net, half-open, that waits for bytes with deadlines. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Server } from 'wakeone';
import { DEADLINE_MS } from './deadline.ts';

export class Client {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #length = 0;
  #ended = false;
  #closed = false;
  #failure: NodeJS.ErrnoException | undefined;
  #waiters = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#length += chunk.length;
      this.#changed();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#changed();
    });
    socket.on('error', (error) => {
      this.#failure = error;
      this.#changed();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#changed();
    });
  }

  get received(): number {
    return this.#length;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  write(chunk: Uint8Array | string): void {
    this.socket.write(chunk);
  }

  /** Exactly `count` bytes. */
  async read(count: number): Promise<Buffer> {
    await this.#until(() => this.#length >= count, `${count} bytes`);
    return this.#take(count);
  }

  /** Text up to the next line feed, without it. */
  async line(): Promise<string> {
    let at = -1;
    await this.#until(() => {
      at = this.#joined().indexOf(10);
      return at >= 0;
    }, 'a line');
    return this.#take(at + 1)
      .subarray(0, at)
      .toString();
  }

  /** Sends a command of the scripted handler and returns its answer. */
  async ask(command: object): Promise<Record<string, unknown>> {
    this.write(`${JSON.stringify(command)}\n`);
    return JSON.parse(await this.line()) as Record<string, unknown>;
  }

  /** All bytes up to the peer's FIN. */
  async rest(): Promise<Buffer> {
    await this.#until(() => this.#ended, "the peer's end");
    return this.#take(this.#length);
  }

  /** Waits for the end of the socket: 'end' after a FIN, else the code of its error. */
  async over(): Promise<string> {
    await this.#until(() => this.#ended || this.#closed || this.#failure !== undefined, 'the end');
    return this.#failure?.code ?? 'end';
  }

  /** Closes with RST. Not after a FIN: then Node closes nothing. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.#until(() => this.#closed, 'close');
  }

  #joined(): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0] ?? Buffer.alloc(0);
  }

  #take(count: number): Buffer {
    const all = this.#joined();
    this.#received = [all.subarray(count)];
    this.#length = all.length - count;
    return all.subarray(0, count);
  }

  #changed(): void {
    for (const waiter of this.#waiters) waiter();
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => {
        finish(new Error(`no ${what} within ${DEADLINE_MS} ms; ${this.#length} bytes are here`));
      }, DEADLINE_MS);
      const look = (): void => {
        if (condition()) finish();
        else if (this.#failure !== undefined || this.#closed)
          finish(new Error(`no ${what}: ${this.#failure?.code ?? 'closed'}`));
      };
      const finish = (error?: Error): void => {
        clearTimeout(limit);
        this.#waiters.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#waiters.add(look);
    });
  }
}

const clients = new Set<Client>();

/** Where to connect to. */
export type Target = Server | number;

/** Opens a connection. It is closed after the test, if the test has not. */
export async function openClient(target: Target, options: Partial<NetConnectOpts> = {}): Promise<Client> {
  const socket = connect({ ...optionsOf(target), allowHalfOpen: true, ...options } as NetConnectOpts);
  socket.setNoDelay(true);
  const client = new Client(socket);
  clients.add(client);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return client;
}

/** Opens several connections. */
export function openClients(target: Target, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => openClient(target)));
}

/** Closes all clients that are still open. */
export async function closeClients(): Promise<void> {
  const all = [...clients];
  clients.clear();
  await Promise.all(all.map((client) => client.close()));
}

/** The TCP port of a server. */
export function portOf(server: Server): number {
  const address = server.address();
  if (address.family === 'unix') throw new Error('an AF_UNIX server has no port');
  return address.port;
}

function optionsOf(target: Target): Partial<NetConnectOpts> {
  if (typeof target === 'number') return { port: target, host: '127.0.0.1' };
  const address = target.address();
  if (address.family === 'unix') return { path: address.path };
  return { port: address.port, host: address.family === 'IPv6' ? '::1' : '127.0.0.1' };
}
