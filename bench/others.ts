import { readFileSync } from 'node:fs';

const ticksPerSecond = 100; // USER_HZ, the same on every architecture that is supported

/** Starts to watch what others do on the machine; the result tells how many CPUs they used on average since then. */
export function watchOthers(): () => number {
  const began = performance.now();
  const before = othersTicks();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    return Math.max(0, (othersTicks() - before) / ticksPerSecond / seconds);
  };
}

/** CPU time of the machine less that of this process and of its children that ended. */
function othersTicks(): number {
  const machine =
    readFileSync('/proc/stat', 'latin1').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = machine;
  const own = readFileSync('/proc/self/stat', 'latin1');
  // utime, stime, cutime and cstime are the fields 14 to 17; the second one is in brackets and may hold blanks.
  const fields = own.slice(own.lastIndexOf(')') + 2).split(' ');
  const mine = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return user + nice + system + irq + softIrq - mine;
}
