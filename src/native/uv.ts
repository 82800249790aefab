/**
 * libuv's side of this thread: the descriptor that becomes readable when the event loop has I/O, and the time until its
 * next timer. Node exports the symbols that lead to the loop; where they are missing, `openEventLoop` returns
 * undefined and callers wait in short steps.
 */
import koffi from 'koffi';

export interface EventLoop {
  /** Descriptor to wait for beside one's own; readable when the loop has I/O to handle. */
  readonly backendFd: number;
  /** Milliseconds until the loop's next timer; -1 for none, 0 if immediates or closing handles wait. */
  timeoutMs(): number;
  /** Requests under way: work of the thread pool, writes, connects, look-ups. */
  readonly requests: number;
}

/** The public head of uv_loop_t: { data, active_handles, handle_queue[2], active_reqs.count, … }; the same in all of libuv 1. */
const LOOP_HEAD_BYTES = 40;
const ACTIVE_REQUESTS_WORD = 8;

type Call = (...values: number[]) => number;

const nothing = (): void => {};

export function openEventLoop(): EventLoop | undefined {
  try {
    const library = koffi.load(null);
    const isolate = (library.func('_ZN2v87Isolate10GetCurrentEv', 'uintptr_t', []) as Call)();
    const current = library.func('_ZN4node19GetCurrentEventLoopEPN2v87IsolateE', 'uintptr_t', [
      'uintptr_t',
    ]) as Call;
    const loop = current(isolate);
    const timeout = library.func('int uv_backend_timeout(uintptr_t)') as Call;
    const backendFd = (library.func('int uv_backend_fd(uintptr_t)') as Call)(loop);
    const head = new Int32Array(koffi.view(loop, LOOP_HEAD_BYTES));
    return {
      backendFd,
      get requests() {
        return head[ACTIVE_REQUESTS_WORD] ?? 0;
      },
      timeoutMs: () => {
        // Inside an immediate's callback the loop still counts that immediate and would say 0. Making and clearing one
        // lets Node bring libuv's idle handle up to date (50 ns).
        clearImmediate(setImmediate(nothing));
        return timeout(loop);
      },
    };
  } catch {
    return undefined;
  }
}
