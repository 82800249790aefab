/** What TypeScript knows of states. The compiler does the testing (`tsc -p test`): what is expected to be wrong must be. */
import { expect, expectTypeOf, test } from 'vitest';
import {
  type Connection,
  type ConnectionHandlers,
  defineHandlers,
  type FdEvent,
  type FdHandler,
  type FdHandlers,
  type Handler,
  type HandlerModule,
  type StateOf,
} from 'wakeone/worker';

/** Handlers that are declared and never called. */
const none = (module: HandlerModule): void => expect(module.handlers).toBeTypeOf('object');

test('each method of a handler knows its fields', () => {
  none(
    defineHandlers({
      echo: {
        state: { seq: 'u32', low: 'i8', ratio: 'f32', id: 'u64', at: 'i64', open: 'bool', name: 'bytes(16)' },
        open(connection) {
          expectTypeOf(connection.state).toEqualTypeOf<{
            seq: number;
            low: number;
            ratio: number;
            id: bigint;
            at: bigint;
            open: boolean;
            name: Uint8Array;
          }>();
        },
        data(connection) {
          connection.state.seq++;
          connection.state.id += 2n;
          connection.state.name = connection.read(16);
          // @ts-expect-error: there is no such field
          connection.state.sqe++;
          // @ts-expect-error: it is a bigint
          connection.state.id = 1;
          // @ts-expect-error: the whole cannot be replaced
          connection.state = { seq: 1 };
        },
        async close(connection, reason) {
          await Promise.resolve();
          expectTypeOf(connection.state.seq).toBeNumber();
          expectTypeOf(reason.type).toBeString();
        },
        timeout: (connection, kind) => {
          expectTypeOf(connection.state.open).toBeBoolean();
          expectTypeOf(kind).toEqualTypeOf<'idle' | 'read' | 'write' | 'deadline'>();
        },
        maxMessagesPerTurn: 4,
      },
      // Others have their own, before or behind the methods, or none.
      late: {
        data: (connection) => void expectTypeOf(connection.state).toEqualTypeOf<{ total: number }>(),
        state: { total: 'f64' },
      },
      plain: {
        data(connection) {
          // @ts-expect-error: it has no state
          connection.state.seq++;
        },
      },
    }),
  );
});

test('so do handlers of bare descriptors, events and timers', () => {
  none(
    defineHandlers({
      tick: {
        state: { ticks: 'u32' },
        event(event) {
          expectTypeOf(event.state).toEqualTypeOf<{ ticks: number }>();
          expectTypeOf(event.last).toBeBoolean();
          // @ts-expect-error: there is no such field
          event.state.ticsk++;
        },
      },
      plain(event) {
        expectTypeOf(event.value).toBeNumber();
        // @ts-expect-error: it has no state
        event.state.ticks++;
      },
      arrow: async (event) => {
        await Promise.resolve();
        expectTypeOf(event.fd).toBeNumber();
      },
    }),
  );
});

test('the state of groups is the same for all handlers', () => {
  none(
    defineHandlers(
      {
        room: {
          state: { said: 'u32' },
          data(connection) {
            const state = connection.group?.state;
            expectTypeOf(state).toEqualTypeOf<{ messages: number; owner: bigint } | undefined>();
            expectTypeOf(connection.joinGroup().state.messages).toBeNumber();
            for (const peer of connection.peers) peer.state.said += connection.state.said;
            // @ts-expect-error: that is the connection's
            void connection.group?.state.said;
          },
        },
        bell: {
          event(event) {
            expectTypeOf(event.group?.state.owner).toEqualTypeOf<bigint | undefined>();
          },
        },
        plain: (event) => void expectTypeOf(event.group?.state.messages).toEqualTypeOf<number | undefined>(),
      },
      { groupState: { messages: 'u32', owner: 'u64' } },
    ),
  );
  none(
    defineHandlers({
      alone(event) {
        // @ts-expect-error: none is declared
        void event.group?.state.messages;
      },
    }),
  );
});

test('what cannot be declared is found by the compiler as well', () => {
  const refused: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_STATE' });
  // @ts-expect-error: no such type
  expect(() => defineHandlers({ echo: { state: { seq: 'u33' }, data() {} } })).toThrow(refused);
  // @ts-expect-error: no number of bytes
  expect(() => defineHandlers({ echo: { state: { name: 'bytes(n)' }, data() {} } })).toThrow(refused);
  // @ts-expect-error: a number is no type
  expect(() => defineHandlers({ echo: { state: { seq: 4 }, event() {} } })).toThrow(refused);
  // @ts-expect-error: no such type
  expect(() => defineHandlers({ echo() {} }, { groupState: { seq: 'int' } })).toThrow(refused);
  // @ts-expect-error: no such handler
  expect(() => defineHandlers({ echo: { state: { seq: 'u8' }, dta() {} } })).toThrow();
  const shape = { seq: 'u32' };
  // @ts-expect-error: a string is not known to be a type; `as const` is missing
  none(defineHandlers({ echo: { state: shape, data() {} } }));
});

test('handlers and helpers may be made elsewhere, with or without parameters', () => {
  const shape = { seq: 'u32', name: 'bytes(8)' } as const;
  const count = (connection: Connection<typeof shape>): number => connection.state.seq++;
  const inspect = (connection: Connection): number => connection.fd;
  const tell = (event: FdEvent): number => event.fd;
  const fields = (state: StateOf<typeof shape>): number => state.seq;
  const typed: ConnectionHandlers<typeof shape, { n: 'u8' }> = {
    state: shape,
    data(connection) {
      count(connection);
      inspect(connection);
      fields(connection.state);
      expectTypeOf(connection.group?.state.n).toEqualTypeOf<number | undefined>();
    },
  };
  const untyped: ConnectionHandlers = { data: (connection) => void inspect(connection) };
  const ticks: FdHandlers<{ n: 'u8' }> = { state: { n: 'u8' }, event: (event) => void event.state.n++ };
  const bare: FdHandler = (event) => void tell(event);
  const all: Record<string, Handler> = { untyped, bare, inline: { data() {} } };
  none(defineHandlers({ typed, untyped, ticks, bare }, { groupState: { n: 'u8' } }));
  none(defineHandlers(all));
  // @ts-expect-error: it has other fields
  none(defineHandlers({ other: { state: { seq: 'u64', name: 'bytes(8)' }, data: (c) => void count(c) } }));
});

test('errors that handlers are given have a code to be compared', () => {
  none(
    defineHandlers({
      failing: {
        error(connection, error) {
          expectTypeOf(error).toExtend<Error>();
          if (error.code !== 'ECONNRESET') connection.destroy();
        },
        close(connection, reason) {
          if (reason.type === 'error' && reason.error.code === 'ERR_WAKEONE_MESSAGE_TOO_LONG')
            connection.destroy();
        },
      },
      annotated: { error: (connection, error: Error) => connection.destroy(error) },
    }),
  );
});
