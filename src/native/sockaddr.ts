/** struct sockaddr in bytes: IPv4 (16 bytes), IPv6 (28) and AF_UNIX (2 + path, up to 108). Family is in host order, ports and addresses in network order. */
import { isIPv4, isIPv6 } from 'node:net';
import type { SocketAddress } from './contract.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCKADDR_BYTES = 128;
/** Longest path of an AF_UNIX address, in bytes, with its final zero. */
export const UNIX_PATH_BYTES = 108;

/** Writes `address` at the start of `bytes`; returns its length, undefined if it is no address. */
export function encodeAddress(bytes: Uint8Array, address: SocketAddress): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.fill(0, 0, SOCKADDR_BYTES);
  if (address.family === 'unix') {
    const path = Buffer.from(address.path);
    if (path.length === 0 || path.length >= UNIX_PATH_BYTES) return undefined;
    // The kernel would take such a path up to its zero, and make another file than was named.
    if (path[0] !== 0 && path.includes(0)) return undefined;
    view.setUint16(0, AF_UNIX, true);
    bytes.set(path, 2);
    // An abstract name (first byte zero) has no final zero.
    return 2 + path.length + (path[0] === 0 ? 0 : 1);
  }
  view.setUint16(2, address.port, false);
  if (address.family === 'IPv4') {
    if (!isIPv4(address.address)) return undefined;
    view.setUint16(0, AF_INET, true);
    bytes.set(address.address.split('.').map(Number), 4);
    return 16;
  }
  const words = parseIPv6(address.address);
  if (words === undefined) return undefined;
  view.setUint16(0, AF_INET6, true);
  for (const [i, word] of words.entries()) view.setUint16(8 + 2 * i, word, false);
  return 28;
}

/** Reads an address of `length` bytes. */
export function decodeAddress(bytes: Uint8Array, length: number): SocketAddress | undefined {
  if (length < 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (view.getUint16(0, true)) {
    case AF_UNIX: {
      let end = Math.min(length, 2 + UNIX_PATH_BYTES);
      if (bytes[2] !== 0) while (end > 2 && bytes[end - 1] === 0) end--;
      return { family: 'unix', path: Buffer.from(bytes.slice(2, end)).toString() };
    }
    case AF_INET:
      return { family: 'IPv4', address: bytes.slice(4, 8).join('.'), port: view.getUint16(2, false) };
    case AF_INET6: {
      const words = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i, false));
      return { family: 'IPv6', address: formatIPv6(words), port: view.getUint16(2, false) };
    }
    default:
      return undefined;
  }
}

function parseIPv6(text: string): number[] | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [left = '', right] = text.split('::');
  const head = groups(left);
  if (right === undefined) return head;
  const tail = groups(right);
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** RFC 5952: lower case, the longest run of zero groups (of two or more) as '::', mapped IPv4 in dotted form. */
function formatIPv6(words: number[]): string {
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    const [high = 0, low = 0] = words.slice(6);
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  let best = { from: 0, length: 1 };
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (from + length < 8 && words[from + length] === 0) length++;
    if (length > best.length) best = { from, length };
  }
  const hex = (part: number[]): string => part.map((word) => word.toString(16)).join(':');
  if (best.length < 2) return hex(words);
  return `${hex(words.slice(0, best.from))}::${hex(words.slice(best.from + best.length))}`;
}
