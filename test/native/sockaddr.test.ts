/** Socket addresses in bytes, as the kernel lays them out. */
import { describe, expect, test } from 'vitest';
import type { SocketAddress } from '../../src/native/index.ts';
import { decodeAddress, encodeAddress, SOCKADDR_BYTES } from '../../src/native/sockaddr.ts';

/** The encoded bytes; undefined if it is no address. */
function encode(address: SocketAddress): Buffer | undefined {
  // Left over from an earlier call: nothing of it may show.
  const bytes = new Uint8Array(SOCKADDR_BYTES).fill(0xaa);
  const length = encodeAddress(bytes, address);
  return length === undefined ? undefined : Buffer.from(bytes.subarray(0, length));
}

const decode = (bytes: Buffer): SocketAddress | undefined => {
  const area = new Uint8Array(SOCKADDR_BYTES).fill(0xaa);
  area.set(bytes);
  return decodeAddress(area, bytes.length);
};

const ipv6 = (address: string, port = 0): SocketAddress => ({ family: 'IPv6', address, port });
const ipv4 = (address: string, port = 0): SocketAddress => ({ family: 'IPv4', address, port });
const unix = (path: string): SocketAddress => ({ family: 'unix', path });

describe('IPv4', () => {
  test('family in host order, port and address in network order', () => {
    expect(encode(ipv4('127.0.0.1', 0x1234))).toEqual(
      Buffer.from([2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    );
  });

  test.each(['0.0.0.0', '127.0.0.1', '255.255.255.255', '192.168.10.200'])('%s comes back', (address) => {
    expect(decode(encode(ipv4(address, 65535)) ?? Buffer.alloc(0))).toEqual(ipv4(address, 65535));
  });

  test.each(['', '1.2.3', '256.0.0.1', '1.2.3.4.5', 'localhost', '::1', '01.2.3.4'])('%j is none', (text) => {
    expect(encode(ipv4(text))).toBeUndefined();
  });
});

describe('IPv6', () => {
  test('28 bytes: port, flow, sixteen bytes of address, scope', () => {
    const expected = Buffer.alloc(28);
    expected.set([10, 0, 0x1f, 0x90]);
    expected.set([0x20, 0x01, 0x0d, 0xb8], 8);
    expected[23] = 1;
    expect(encode(ipv6('2001:db8::1', 8080))).toEqual(expected);
  });

  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8:0000:0001:0000:0000:0000:0001', '2001:db8:0:1::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ['::ffff:7f00:1', '::ffff:127.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['fe80::1', 'fe80::1'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%s comes back as %s', (given, canonical) => {
    expect(decode(encode(ipv6(given, 443)) ?? Buffer.alloc(0))).toEqual(ipv6(canonical, 443));
  });

  test.each(['', ':', '1::2::3', '1:2:3:4:5:6:7', '12345::', '127.0.0.1', 'fe80::1%lo'])(
    '%j is none',
    (text) => {
      expect(encode(ipv6(text))).toBeUndefined();
    },
  );
});

describe('AF_UNIX', () => {
  test('a path ends with a zero that counts', () => {
    expect(encode(unix('/a'))).toEqual(Buffer.from([1, 0, 0x2f, 0x61, 0]));
  });

  test('an abstract name begins with a zero and has none at its end', () => {
    expect(encode(unix('\0ab'))).toEqual(Buffer.from([1, 0, 0, 0x61, 0x62]));
  });

  test('an abstract name may hold zeros', () => {
    expect(decode(encode(unix('\0a\0b\0')) ?? Buffer.alloc(0))).toEqual(unix('\0a\0b\0'));
  });

  test.each(['/tmp/x.sock', 'relative', '/tmp/ü', '\0abstract', 'x'.repeat(107), `\0${'x'.repeat(106)}`])(
    '%j comes back',
    (path) => {
      expect(decode(encode(unix(path)) ?? Buffer.alloc(0))).toEqual(unix(path));
    },
  );

  test('a path that fills all of its 108 bytes has no zero to end it', () => {
    const full = Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(108, 0x78)]);
    expect(decode(full)).toEqual(unix('x'.repeat(108)));
  });

  test.each([
    ['empty', ''],
    ['too long', 'x'.repeat(108)],
    ['too long in bytes, not in characters', 'ü'.repeat(54)],
    ['an abstract name that is too long', `\0${'x'.repeat(107)}`],
    ['a zero within', '/tmp/a\0b'],
  ])('%s: none', (_, path) => {
    expect(encode(unix(path))).toBeUndefined();
  });

  test('an unnamed socket has an empty path', () => {
    expect(decode(Buffer.from([1, 0]))).toEqual(unix(''));
  });
});

test('what is of no known family, or too short, is no address', () => {
  expect(decode(Buffer.from([17, 0, 0, 0]))).toBeUndefined();
  expect(decodeAddress(new Uint8Array(SOCKADDR_BYTES), 1)).toBeUndefined();
});
