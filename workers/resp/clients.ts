/**
 * The clients of the cache, in shared memory: what CLIENT LIST shows of connections that other workers serve, and the settings
 * that CONFIG changes.
 *
 *     header    word 0 clients, word 1 timeout in seconds, word 2 most clients; double 2 number of the last client, double 3 when the
 *               server began; word 8 who has the upkeep, word 9 the thread that is to be terminated, word 10 a lock, word 11 entries
 *               that were ever used, word 12 upkeeps so far
 *     workers   a line of 64 bytes for each of 32: a double, commands that it has run; word 2 whether it is there
 *     entries   256 bytes each, by number of the descriptor:
 *               double 0 number of the client (0: none), word 2 generation of its registration, word 3 edition,
 *               double 2 when it came, double 3 when it last sent something, word 8 number of its last command,
 *               then three texts: name, its address, ours (a byte for the length, then the bytes)
 *
 * An entry is written by the worker that runs a turn of its connection, its number and its texts with the lock: so the clients
 * are counted exactly, and counted anew by the next one if a thread dies with the lock. Others read it without: the edition is
 * odd while a text changes, and what was read counts if the edition was even and is the same afterwards.
 */
import { Mutex } from '../../src/locks/index.ts';

/** Descriptors from this on are refused: more clients than Redis has by default are rare. */
const MOST_ENTRIES = 65_536;
const ENTRY_BYTES = 256;
/** Looks at an entry that changes each time. */
const TRIES = 100;
const WORKER_LINES = 32;
const LINE_BYTES = 64;
const HEADER_BYTES: number = LINE_BYTES * (1 + WORKER_LINES);

const Word = {
  CLIENTS: 0,
  TIMEOUT: 1,
  MOST_CLIENTS: 2,
  UPKEEP: 8,
  VICTIM: 9,
  LOCK: 10,
  USED: 11,
  UPKEEPS: 12,
} as const;
/** Of a worker's line. */
const WORKER_THERE = 2;
const Double = { LAST_ID: 2, BEGAN: 3 } as const;
const EntryWord = { GENERATION: 2, EDITION: 3, COMMAND: 8 } as const;
const EntryDouble = { ID: 0, CAME: 2, SENT: 3 } as const;
/** Where the texts begin, and how long they may be. */
const Text = { NAME: [40, 87], ADDRESS: [128, 63], LOCAL: [192, 63] } as const;
type Text = (typeof Text)[keyof typeof Text];

export type Client = {
  readonly id: number;
  readonly fd: number;
  readonly generation: number;
  readonly name: string;
  readonly address: string;
  readonly local: string;
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  /** Number of its last command. */
  readonly command: number;
};

export const MAX_NAME_BYTES: number = Text.NAME[1];
/** What `maxclients` may be at most. */
export const MOST_CLIENTS: number = MOST_ENTRIES;

/** Costs nothing until it is touched. Any thread, once. */
export function createClients(maxClients: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(HEADER_BYTES + MOST_ENTRIES * ENTRY_BYTES);
  new Int32Array(memory)[Word.MOST_CLIENTS] = maxClients;
  new Float64Array(memory)[Double.BEGAN] = Date.now();
  return memory;
}

export class Clients {
  readonly #words: Int32Array;
  readonly #ids: BigInt64Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;
  readonly #lock: Mutex;
  readonly #commandsAt: number;

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#words = new Int32Array(memory);
    this.#ids = new BigInt64Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#bytes = Buffer.from(memory);
    this.#lock = new Mutex(memory, 4 * Word.LOCK);
    this.#commandsAt = (LINE_BYTES * (1 + worker)) / 8;
  }

  /** This worker begins. True if the one of its number before it has not ended in order. */
  begin(): boolean {
    return Atomics.exchange(this.#words, 2 * this.#commandsAt + WORKER_THERE, 1) !== 0;
  }

  /** This worker ends in order. */
  end(): void {
    Atomics.store(this.#words, 2 * this.#commandsAt + WORKER_THERE, 0);
  }

  /** Adds a connection; its number, or undefined if there are too many. */
  enter(fd: number, generation: number, address: string, local: string): number | undefined {
    if (fd >= MOST_ENTRIES) return undefined;
    return this.#change(fd, () => {
      if (this.count >= this.maxClients) return undefined;
      const id = Number(Atomics.add(this.#ids, Double.LAST_ID, 1n)) + 1;
      const now = Date.now();
      if (fd >= this.#used) Atomics.store(this.#words, Word.USED, fd + 1);
      this.#words[wordOf(fd) + EntryWord.GENERATION] = generation;
      this.#words[wordOf(fd) + EntryWord.COMMAND] = -1;
      this.#doubles[doubleOf(fd) + EntryDouble.CAME] = now;
      this.#doubles[doubleOf(fd) + EntryDouble.SENT] = now;
      this.#setText(fd, Text.NAME, '');
      this.#setText(fd, Text.ADDRESS, address);
      this.#setText(fd, Text.LOCAL, local);
      this.#doubles[doubleOf(fd) + EntryDouble.ID] = id;
      Atomics.add(this.#words, Word.CLIENTS, 1);
      return id;
    });
  }

  /** Takes a connection out, if it is in. */
  leave(fd: number): void {
    if (this.idOf(fd) === 0) return;
    this.#change(fd, () => {
      this.#doubles[doubleOf(fd) + EntryDouble.ID] = 0;
      Atomics.sub(this.#words, Word.CLIENTS, 1);
    });
  }

  /** 0 if it is not in. */
  idOf(fd: number): number {
    return fd < MOST_ENTRIES ? (this.#doubles[doubleOf(fd) + EntryDouble.ID] ?? 0) : 0;
  }

  /** The client runs this command. */
  runs(fd: number, command: number): void {
    // One that was refused has no entry of its own.
    if (fd < MOST_ENTRIES) this.#words[wordOf(fd) + EntryWord.COMMAND] = command;
  }

  /** The client has sent so many commands. */
  heard(fd: number, commands: number): void {
    if (fd < MOST_ENTRIES) this.#doubles[doubleOf(fd) + EntryDouble.SENT] = Date.now();
    this.#doubles[this.#commandsAt] = (this.#doubles[this.#commandsAt] ?? 0) + commands;
  }

  nameOf(fd: number): string {
    return this.#text(fd, Text.NAME);
  }

  setName(fd: number, name: string): void {
    this.#change(fd, () => this.#setText(fd, Text.NAME, name));
  }

  /** All clients, by number. */
  list(): Client[] {
    const clients: Client[] = [];
    for (let fd = 0; fd < this.#used; fd++) {
      const client = this.idOf(fd) === 0 ? undefined : this.#read(fd);
      if (client !== undefined) clients.push(client);
    }
    return clients.toSorted((a, b) => a.id - b.id);
  }

  get count(): number {
    return Atomics.load(this.#words, Word.CLIENTS);
  }

  /** How many there have been. */
  get received(): number {
    return Number(Atomics.load(this.#ids, Double.LAST_ID));
  }

  get commands(): number {
    let sum = 0;
    for (let worker = 1; worker <= WORKER_LINES; worker++)
      sum += this.#doubles[(LINE_BYTES * worker) / 8] ?? 0;
    return sum;
  }

  get uptimeSeconds(): number {
    return Math.floor((Date.now() - (this.#doubles[Double.BEGAN] ?? 0)) / 1000);
  }

  /** Gives the upkeep of the store to the caller; its number, or 0 if somebody has it. A look first: each key with a time asks. */
  takeUpkeep(): number {
    if (this.#words[Word.UPKEEP] !== 0) return 0;
    const number = Atomics.add(this.#words, Word.UPKEEPS, 1) + 1;
    return Atomics.compareExchange(this.#words, Word.UPKEEP, 0, number) === 0 ? number : 0;
  }

  /** Gives the upkeep back; false if it was taken away. */
  leaveUpkeep(number: number): boolean {
    return Atomics.compareExchange(this.#words, Word.UPKEEP, number, 0) === number;
  }

  /** Takes the upkeep away from who may have died with it. */
  endUpkeep(): void {
    Atomics.store(this.#words, Word.UPKEEP, 0);
  }

  /** The thread that the app's thread is to terminate, for tests; 0: none, the process is to exit. */
  get victim(): number {
    return Atomics.load(this.#words, Word.VICTIM);
  }

  set victim(threadId: number) {
    Atomics.store(this.#words, Word.VICTIM, threadId);
  }

  /** After how many seconds of silence a client is closed, 0: never. */
  get timeoutSeconds(): number {
    return Atomics.load(this.#words, Word.TIMEOUT);
  }

  set timeoutSeconds(seconds: number) {
    Atomics.store(this.#words, Word.TIMEOUT, seconds);
  }

  get maxClients(): number {
    return Atomics.load(this.#words, Word.MOST_CLIENTS);
  }

  set maxClients(most: number) {
    Atomics.store(this.#words, Word.MOST_CLIENTS, most);
  }

  get #used(): number {
    return Atomics.load(this.#words, Word.USED);
  }

  /** An entry, as it was at one moment; undefined if it has gone. */
  #read(fd: number): Client | undefined {
    for (let tries = 0; tries < TRIES; tries++) {
      const edition = Atomics.load(this.#words, wordOf(fd) + EntryWord.EDITION);
      const client = this.#look(fd);
      if (client === undefined) return undefined;
      if (Atomics.load(this.#words, wordOf(fd) + EntryWord.EDITION) === edition && edition % 2 === 0)
        return client;
    }
    // Its worker was stopped in the middle, or has died.
    return this.#locked(() => this.#look(fd));
  }

  #look(fd: number): Client | undefined {
    const now = Date.now();
    const secondsSince = (double: number): number =>
      Math.max(0, Math.floor((now - (this.#doubles[doubleOf(fd) + double] ?? 0)) / 1000));
    const client: Client = {
      id: this.idOf(fd),
      fd,
      generation: this.#words[wordOf(fd) + EntryWord.GENERATION] ?? 0,
      name: this.#text(fd, Text.NAME),
      address: this.#text(fd, Text.ADDRESS),
      local: this.#text(fd, Text.LOCAL),
      ageSeconds: secondsSince(EntryDouble.CAME),
      idleSeconds: secondsSince(EntryDouble.SENT),
      command: this.#words[wordOf(fd) + EntryWord.COMMAND] ?? -1,
    };
    return client.id === 0 ? undefined : client;
  }

  #change<T>(fd: number, change: () => T): T {
    const at = wordOf(fd) + EntryWord.EDITION;
    return this.#locked(() => {
      Atomics.or(this.#words, at, 1);
      const result = change();
      Atomics.add(this.#words, at, 1);
      return result;
    });
  }

  /** Runs a task while nobody comes or goes. After the death of who did so, it counts again first. */
  #locked<T>(task: () => T): T {
    return this.#lock.run((ownerDied) => {
      if (ownerDied) this.#recount();
      return task();
    });
  }

  #recount(): void {
    let count = 0;
    for (let fd = 0; fd < this.#used; fd++) if (this.idOf(fd) !== 0) count++;
    Atomics.store(this.#words, Word.CLIENTS, count);
  }

  #text(fd: number, [offset]: Text): string {
    const at = byteOf(fd) + offset;
    return this.#bytes.toString('utf8', at + 1, at + 1 + (this.#bytes[at] ?? 0));
  }

  #setText(fd: number, [offset, most]: Text, text: string): void {
    const at = byteOf(fd) + offset;
    this.#bytes[at] = this.#bytes.write(text, at + 1, most);
  }
}

const byteOf = (fd: number): number => HEADER_BYTES + fd * ENTRY_BYTES;
const wordOf = (fd: number): number => byteOf(fd) / 4;
const doubleOf = (fd: number): number => byteOf(fd) / 8;
