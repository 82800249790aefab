/**
 * One thread of the tests of the store, on the built code. What goes wrong it counts in a shared word, since it may be
 * killed at any moment and could not tell.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { hearOfDeaths } from '../../dist/src/sync/deaths.js';
import { sliceOf, Store } from '../../dist/workers/resp/store.js';

const { memory, words, deaths, id, role, count } = workerData;
const shared = new Int32Array(words);
const WRONG = 0;
const NEVER = 1;
hearOfDeaths(deaths);
const store = new Store(memory);
const slice = (text) => sliceOf(Buffer.from(text));
const wrong = () => Atomics.add(shared, WRONG, 1);

const sink = {
  bytes: new Uint8Array(2 ** 20),
  values: [],
  value(length) {
    this.values.push(this.bytes.subarray(0, length));
    return 0;
  },
  missing() {
    this.values.push(undefined);
  },
};

function get(key) {
  sink.values.length = 0;
  return store.get(key, sink) ? sink.values[0] : undefined;
}

/** A value that tells whether it is whole: its length, a seed, bytes that follow from it. */
function makeValue(length) {
  const value = new Uint8Array(length + 8);
  const view = new DataView(value.buffer);
  const seed = Math.floor(Math.random() * 2 ** 32);
  view.setUint32(0, length);
  view.setUint32(4, seed);
  for (let i = 0; i < length; i++) value[8 + i] = (seed + i * 7) & 255;
  return value;
}

function isWhole(value) {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < 8 || view.getUint32(0) !== value.length - 8) return false;
  const seed = view.getUint32(4);
  for (let i = 8; i < value.length; i++) if (value[i] !== ((seed + (i - 8) * 7) & 255)) return false;
  return true;
}

const below = (n) => Math.floor(Math.random() * n);

const roles = {
  counter() {
    for (let i = 0; i < count; i++) {
      if (store.incrBy(slice(`counter${i % 3}`), (i % 5) - 1) === 'out-of-memory') wrong();
    }
  },

  /** All values of a mset() are of one number; who sees two has seen it half done. */
  pairs() {
    const keys = ['a', 'b', 'c', 'd'].map(slice);
    for (let i = 0; i < count; i++) {
      const value = slice(`${id}:${i}`);
      if (
        store.mset(
          keys.flatMap((key) => [key, value]),
          0,
          8,
        ) !== 'stored'
      )
        wrong();
      const seen = [];
      const pairs = {
        bytes: new Uint8Array(0),
        value(length) {
          this.bytes = Buffer.alloc(length);
          seen.push(this.bytes);
          return 0;
        },
        missing: wrong,
      };
      store.mget(keys, 0, 4, pairs);
      if (new Set(seen.map(String)).size !== 1) wrong();
    }
  },

  /** Values of which the memory holds two, and small ones between. */
  big() {
    const value = sliceOf(new Uint8Array(400_000));
    for (let i = 0; i < count; i++) {
      if (store.set(slice(`k${id}.${i}`), i % 3 === 0 ? value : slice('small')) !== 'stored') wrong();
    }
  },

  /** Looks at all values of the next role. */
  verify() {
    for (let i = 0; i < 300; i++) {
      const value = get(slice(`key${i}`));
      if (value !== undefined && !isWhole(value)) wrong();
    }
  },

  /** Everything, on a few keys and in little memory, for as long as it lives or `count` times. */
  mixed() {
    for (let i = 0; i < count; i++) {
      const name = `key${below(300)}`;
      const key = slice(name);
      const size = below(50) === 0 ? below(300_000) : below(400);
      switch (below(10)) {
        case 0:
          store.del(key);
          break;
        case 1:
          store.incrBy(slice(`n${below(20)}`), below(1e9));
          break;
        case 2:
          store.append(slice(`log${below(20)}`), slice('0123456789'.repeat(below(40))));
          if ((store.valueLength(slice(`log${below(20)}`)) ?? 0) > 50_000)
            store.del(slice(`log${below(20)}`));
          break;
        case 3:
          store.mset(
            [key, sliceOf(makeValue(size)), slice(`key${below(300)}`), sliceOf(makeValue(10))],
            0,
            4,
          );
          break;
        case 4:
          store.expire(key, Date.now() + below(20));
          break;
        case 5:
          store.maintain();
          if (below(500) === 0) store.flush();
          break;
        case 6:
        case 7: {
          const value = get(key);
          if (value !== undefined && !isWhole(value)) wrong();
          break;
        }
        default:
          store.set(key, sliceOf(makeValue(size)), below(3) === 0 ? Date.now() + below(50) : 0);
      }
    }
  },
};

/** Does `role` with bytes that stop this thread for ever when the store copies them for the `count`-th time. */
function hangIn(operation, length = 300) {
  const value = new Uint8Array(length).fill(120);
  let copies = 0;
  value.subarray = (start, end) => {
    if (++copies === count) {
      parentPort.postMessage('ready');
      Atomics.wait(shared, NEVER, Atomics.load(shared, NEVER));
    }
    return Uint8Array.prototype.subarray.call(value, start, end);
  };
  operation(sliceOf(value));
  wrong();
}

const hangs = {
  large: () => hangIn((value) => store.set(slice('k'), value), 300_000),
  set: () => hangIn((value) => store.set(slice('k'), value)),
  append: () => hangIn((value) => store.append(slice('k'), value)),
  mset: () =>
    hangIn((value) =>
      store.mset(
        ['a', 'b', 'k'].flatMap((key) => [slice(key), value]),
        0,
        6,
      ),
    ),
};

if (role in hangs) hangs[role]();
else {
  parentPort.postMessage('ready');
  roles[role]();
}
parentPort.postMessage('done');
