/** Commands on connections: of this client, and of others. */
import { registration } from '../../src/worker.ts';
import { type Client, MAX_NAME_BYTES } from './clients.ts';
import {
  type Call,
  type Command,
  replyUnknownSubcommand,
  replyWrongCount,
  sliceAt,
  textOf,
  wordOf,
} from './command.ts';

const PONG = Buffer.from('+PONG\r\n');
/** A name is shown in a list of words. */
const PLAIN = /^[!-~]*$/;

/** Gives the names of the commands by their numbers. */
export const clientCommands = (nameOf: (number: number) => string): readonly Command[] => [
  { name: 'ping', arity: -1, flags: ['fast'], keys: [0, 0, 0], run: ping },
  {
    name: 'echo',
    arity: 2,
    flags: ['fast'],
    keys: [0, 0, 0],
    run: (call) => call.reply.slice(sliceAt(call, 1)),
  },
  { name: 'quit', arity: -1, flags: ['fast'], keys: [0, 0, 0], run: quit },
  { name: 'select', arity: 2, flags: ['fast'], keys: [0, 0, 0], run: select },
  { name: 'client', arity: -2, flags: ['admin'], keys: [0, 0, 0], run: (call) => client(call, nameOf) },
];

function ping(call: Call): void {
  if (call.count > 2) replyWrongCount(call.reply, 'ping');
  else if (call.count === 2) call.reply.slice(sliceAt(call, 1));
  else call.reply.raw(PONG);
}

function quit(call: Call): void {
  call.quits = true;
  call.reply.ok();
}

function select(call: Call): void {
  const text = textOf(call, 1);
  if (text === '0') call.reply.ok();
  else if (/^-?\d{1,18}$/.test(text)) call.reply.error('ERR DB index is out of range');
  else call.reply.error('ERR value is not an integer or out of range');
}

function client(call: Call, nameOf: (number: number) => string): void {
  const { clients, reply, connection, count } = call;
  const subcommand = wordOf(call, 1);
  const takes = (least: number, most: number): boolean => {
    if (count >= least && count <= most) return true;
    replyWrongCount(reply, `client|${subcommand}`);
    return false;
  };
  switch (subcommand) {
    case 'id':
      if (takes(2, 2)) reply.integer(clients.idOf(connection.fd));
      return;
    case 'getname':
      if (takes(2, 2)) replyName(call, clients.nameOf(connection.fd));
      return;
    case 'setname':
      if (takes(3, 3)) setName(call);
      return;
    case 'list':
      if (takes(2, 2))
        reply.text(
          clients
            .list()
            .map((one) => lineOf(one, nameOf))
            .join(''),
        );
      return;
    case 'kill':
      if (takes(3, Number.POSITIVE_INFINITY)) kill(call);
      return;
    default:
      replyUnknownSubcommand(call);
  }
}

function replyName({ reply }: Call, name: string): void {
  if (name === '') reply.nil();
  else reply.text(name);
}

function setName(call: Call): void {
  const name = textOf(call, 2);
  if (!PLAIN.test(name))
    call.reply.error('ERR Client names cannot contain spaces, newlines or special characters.');
  else if (name.length > MAX_NAME_BYTES)
    call.reply.error(`ERR Client names cannot be longer than ${MAX_NAME_BYTES} bytes.`);
  else {
    call.clients.setName(call.connection.fd, name);
    call.reply.ok();
  }
}

function lineOf(one: Client, nameOf: (number: number) => string): string {
  const { id, address, local, fd, name, ageSeconds, idleSeconds } = one;
  return `id=${id} addr=${address} laddr=${local} fd=${fd} name=${name} age=${ageSeconds} idle=${idleSeconds} flags=N db=0 cmd=${nameOf(one.command)} user=default resp=2\n`;
}

/** `CLIENT KILL addr:port`, or `CLIENT KILL` with filters: all of them must hold. */
function kill(call: Call): void {
  if (call.count === 3) {
    const address = textOf(call, 2);
    if (killAll(call, (one) => one.address === address, false) > 0) call.reply.ok();
    else call.reply.error('ERR No such client');
    return;
  }
  let skipsMe = true;
  const filters: ((one: Client) => boolean)[] = [];
  for (let at = 2; at < call.count; at += 2) {
    const [word, value] = [wordOf(call, at), textOf(call, at + 1)];
    if (word === 'id' && at + 1 < call.count) {
      if (!/^[1-9]\d{0,14}$/.test(value)) {
        call.reply.error('ERR client-id should be greater than 0');
        return;
      }
      filters.push(({ id }) => id === Number(value));
    } else if (word === 'addr' && at + 1 < call.count) filters.push(({ address }) => address === value);
    else if (word === 'laddr' && at + 1 < call.count) filters.push(({ local }) => local === value);
    else if (word === 'skipme' && /^(?:yes|no)$/i.test(value)) skipsMe = value.toLowerCase() === 'yes';
    else {
      call.reply.error('ERR syntax error');
      return;
    }
  }
  call.reply.integer(killAll(call, (one) => filters.every((holds) => holds(one)), skipsMe));
}

/** Tears connections down, whatever worker they are in: their last delivery is forced. How many there were. */
function killAll(call: Call, isMeant: (one: Client) => boolean, skipsMe: boolean): number {
  let killed = 0;
  for (const one of call.clients.list()) {
    const me = one.fd === call.connection.fd;
    if (!isMeant(one) || (me && skipsMe)) continue;
    killed++;
    if (me) call.quits = true;
    else
      registration({ fd: one.fd, generation: one.generation })
        .teardown()
        .catch(() => {});
  }
  return killed;
}
