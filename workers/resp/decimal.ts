/** Decimal numbers of 64 bits as Redis keeps them: as text. Numbers as far as they are exact, else bigints. */

/** Digits that a number holds for certain. */
const EXACT_DIGITS = 15;
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** '-' and 19 digits. */
export const MAX_DECIMAL_BYTES = 20;

const ZERO = 0x30;
const MINUS = 0x2d;

/** What the first `length` bytes say; undefined if it is no number, has an unusual form (`+1`, `01`, `-0`, spaces) or too many digits. */
export function parseDecimal(text: Uint8Array, length: number): number | bigint | undefined {
  const negative = text[0] === MINUS;
  const start = negative ? 1 : 0;
  const digits = length - start;
  if (digits < 1 || length > MAX_DECIMAL_BYTES) return undefined;
  if (text[start] === ZERO && length > 1) return undefined;
  let value = 0;
  for (let at = start; at < length; at++) {
    const digit = (text[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= EXACT_DIGITS) return negative ? -value : value;
  return within(BigInt(String.fromCharCode(...text.subarray(0, length))));
}

/** The exact sum, undefined if it has more than 64 bits. */
export function addDecimal(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = within(BigInt(a) + BigInt(b));
  return sum === undefined || !Number.isSafeInteger(Number(sum)) ? sum : Number(sum);
}

/** Writes a number so that it ends before `end`. Where it begins. */
export function writeDecimal(value: number | bigint, text: Uint8Array, end: number = text.length): number {
  let at = end;
  if (typeof value === 'bigint') {
    const digits = value.toString();
    at -= digits.length;
    for (let i = 0; i < digits.length; i++) text[at + i] = digits.charCodeAt(i);
    return at;
  }
  let rest = Math.abs(value);
  do {
    const tenth = Math.floor(rest / 10);
    text[--at] = rest - tenth * 10 + ZERO;
    rest = tenth;
  } while (rest > 0);
  if (value < 0) text[--at] = MINUS;
  return at;
}

function within(value: bigint): bigint | undefined {
  return value >= MIN && value <= MAX ? value : undefined;
}
