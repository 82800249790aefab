/**
 * The world of a scenario: a pool, probes in shared memory, and descriptors; and what must be true when it is over.
 *
 * Tests never sleep to synchronise: handlers count in shared memory whatever they do, and `until` waits for that.
 */
import { promisify } from 'node:util';
import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { type AddOptions, createPool, type Pool, type PoolOptions, type Registration } from 'wakeone';
import { expect } from 'vitest';
import { openNative } from '../../../src/native/index.ts';
import { write } from '../../support/libc.ts';
import { Field, Probe, PROBE_WORDS, REASONS } from './probe.ts';

export const PROBE_HANDLERS: URL = new URL('../handlers/probe.mjs', import.meta.url);
export const MODES = ['oneshot', 'edge'] as const;
export type Mode = (typeof MODES)[number];

/** Full counts with `npm run stress`. */
export const stress: boolean = process.env['WAKEONE_STRESS'] !== undefined;
export const times = (usual: number, underStress: number): number => (stress ? underStress : usual);

/** Time limit of tests that count high. */
export const LONG_MS: number = times(60_000, 4 * 3_600_000);

const MOST_PROBES = 4096;
const MOST_ROUNDS = 64;
const DEADLINE_MS = 15_000;
/** A test that waits longer than this for a wake-up that should have come at once has lost it. */
const SAFETY_MS = 1000;
const SENTINEL_ROUNDS = 3;
const nextTurn = promisify(setImmediate);

export class World {
  readonly pool: Pool;
  readonly native = openNative();
  /** What handlers threw. */
  readonly errors: unknown[] = [];
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #probes: Probe[] = [];
  readonly #rounds: Probe[] = [];
  readonly #open = new Set<number>();
  #sentinel: { readonly fd: number; readonly probe: Probe } | undefined;

  constructor(pool: Pool, words: Int32Array<SharedArrayBuffer>) {
    this.pool = pool;
    pool.on('handlerError', (error) => this.errors.push(error));
    this.#words = words;
  }

  get probes(): readonly Probe[] {
    return this.#probes;
  }

  probe(): Probe {
    // Number 0 is where everything is counted.
    const probe = new Probe(this.#words, this.#probes.length + 1);
    this.#probes.push(probe);
    return probe;
  }

  /** One of the last few probes, cleared: for tests that make more registrations than there is room for. */
  probeAgain(round: number): Probe {
    const known = this.#rounds[round % MOST_ROUNDS];
    if (known !== undefined) {
      for (const field of Object.values(Field)) known.set(field, 0);
      return known;
    }
    const probe = this.probe();
    this.#rounds[round % MOST_ROUNDS] = probe;
    return probe;
  }

  /** Registers `fd` with a probe of its own. */
  add(
    fd: number,
    options: Omit<AddOptions, 'cookie'>,
    probe: Probe = this.probe(),
  ): { readonly registration: Registration; readonly probe: Probe } {
    // An owned descriptor is the pool's from now on; a number that is closed twice may be somebody else's.
    const registration = this.pool.add(fd, { ...options, cookie: probe.number });
    if (options.ownership === 'own') this.#open.delete(fd);
    return { registration, probe };
  }

  has(fd: number): boolean {
    return this.#open.has(fd);
  }

  /** Sees to it that these descriptors are closed at the end. */
  keep<T extends readonly number[]>(...fds: T): T {
    for (const fd of fds) {
      if (fd < 0) throw new Error(`no descriptor: errno ${-fd}`);
      this.#open.add(fd);
    }
    return fds;
  }

  /** Closes a descriptor now. */
  close(fd: number): void {
    this.#open.delete(fd);
    closeSync(fd);
  }

  /** The number is somebody else's to close from now on. */
  forget(fd: number): void {
    this.#open.delete(fd);
  }

  /** What is open under a number. That a number is free says nothing: other threads open files too. */
  fileOf(fd: number): string | undefined {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return undefined;
    }
  }

  eventfd(): number {
    return this.keep(this.native.eventfd())[0];
  }

  fire(eventfd: number): void {
    expect(this.native.signal(eventfd)).toBe(8);
  }

  send(fd: number, text: string | Uint8Array): void {
    const bytes = Buffer.from(text);
    expect(write(fd, bytes)).toBe(bytes.length);
  }

  /** Two connected TCP sockets: [ours, the peer's]. */
  async tcpPair(): Promise<[number, number]> {
    const { native } = this;
    const listener = native.socketStream('IPv4');
    expect(native.bind(listener, { family: 'IPv4', address: '127.0.0.1', port: 0 })).toBe(0);
    expect(native.listen(listener, 8)).toBe(0);
    const address = native.localAddress(listener);
    if (typeof address === 'number' || address.family === 'unix') throw new Error('no address');
    const { connect, tcpSocket } = await import('../../support/libc.ts');
    const peer = tcpSocket();
    // On the loopback interface the handshake is over when connect returns.
    connect(peer, address.port);
    const ours = native.accept(listener);
    closeSync(listener);
    this.keep(ours, peer);
    return [ours, peer];
  }

  /** Waits until handlers have made `condition` true. */
  async until(condition: () => boolean, what: string, deadlineMs: number = DEADLINE_MS): Promise<void> {
    const start = performance.now();
    for (;;) {
      const seen = Atomics.load(this.#words, 0);
      if (condition()) return;
      const left = deadlineMs - (performance.now() - start);
      if (left <= 0) throw new Error(`not within ${deadlineMs} ms: ${what}; ${this.describe()}`);
      const waiting = Atomics.waitAsync(this.#words, 0, seen, left);
      // While handlers run all the time there is nothing to wait for, but this thread's event loop needs its turn.
      await (waiting.async ? waiting.value : nextTurn());
    }
  }

  /**
   * Lets an event of another descriptor pass through the whole pool, some times: what was on its way before has arrived
   * then. It proves nothing by itself; but a test that says "nothing came" would have seen it. Needs an idle worker.
   */
  async settle(): Promise<void> {
    if (this.#sentinel === undefined) {
      const fd = this.eventfd();
      this.#sentinel = { fd, probe: this.add(fd, { handler: 'drain' }).probe };
    }
    const { fd, probe } = this.#sentinel;
    for (let round = 0; round < SENTINEL_ROUNDS; round++) {
      // Until it is done, not begun: a second firing that this handler reads would bring no other delivery.
      const before = probe.get(Field.DONE);
      this.fire(fd);
      await this.until(() => probe.get(Field.DONE) > before, 'the sentinel arrives');
    }
  }

  /** Waits for a condition that no handler announces. */
  async eventually(condition: () => boolean, what: string, deadlineMs: number = DEADLINE_MS): Promise<void> {
    const start = performance.now();
    while (!condition()) {
      if (performance.now() - start > deadlineMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  describe(): string {
    const probes = this.#probes.slice(0, 8).map((probe) => {
      const named = Object.entries(Field).map(([name, at]) => [name, probe.get(at)] as const);
      const set = named.filter(([, value]) => value !== 0).map(([name, value]) => `${name}=${value}`);
      return `probe ${probe.number}: ${set.join(' ')}`;
    });
    return `${probes.join('; ')}; ${JSON.stringify(this.pool.stats())}`;
  }

  closeDescriptors(): void {
    for (const fd of this.#open) closeSync(fd);
    this.#open.clear();
  }
}

/** Runs a scenario in a world of its own, and checks what must be true at the end of every one. */
export async function inWorld(
  options: Partial<PoolOptions>,
  scenario: (world: World) => Promise<void>,
): Promise<void> {
  const before = openDescriptors();
  const memory = new SharedArrayBuffer(MOST_PROBES * PROBE_WORDS * 4);
  const pool = await createPool({
    handlers: PROBE_HANDLERS,
    minThreads: 2,
    concurrency: options.minThreads ?? 2,
    maxFds: 4096,
    bufferMemory: 1 << 26,
    safetyTimeoutMs: SAFETY_MS,
    workerData: { memory, field: Field, stride: PROBE_WORDS, reasons: REASONS },
    ...options,
  });
  const world = new World(pool, new Int32Array(memory));
  let failed = true;
  try {
    await scenario(world);
    failed = false;
  } finally {
    // Handlers that still wait at a gate would hold the pool up.
    for (const probe of world.probes) probe.permit(1 << 20);
    if (failed) await pool.destroy();
    else await pool.close({ timeoutMs: 5000 });
    world.closeDescriptors();
  }
  const stats = pool.stats();
  expect(stats.exclusivityViolations).toBe(0);
  expect(stats.rescuedWakeups).toBe(0);
  expect(stats.registered).toBe(0);
  for (const probe of world.probes) {
    expect(probe.get(Field.VIOLATIONS), `probe ${probe.number}: two handlers at once`).toBe(0);
    expect(probe.get(Field.LATE), `probe ${probe.number}: a handler after the last one`).toBe(0);
    expect(probe.last, `probe ${probe.number}: last deliveries`).toBeLessThanOrEqual(1);
    expect(probe.get(Field.UNASKED), `probe ${probe.number}: deliveries of nothing`).toBe(0);
    expect(probe.running, `probe ${probe.number}: a handler that has not ended`).toBe(false);
  }
  await world
    .eventually(() => leaked(before, openDescriptors()).length === 0, 'all is closed', 2000)
    .catch(() => {
      expect(leaked(before, openDescriptors())).toEqual([]);
    });
}

/** Number and file of each open descriptor. */
export function openDescriptors(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      found.set(name, readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The one of the directory itself.
    }
  }
  return found;
}

function leaked(before: Map<string, string>, after: Map<string, string>): string[] {
  return [...after].filter(([fd, file]) => before.get(fd) !== file).map(([fd, file]) => `${fd} -> ${file}`);
}
