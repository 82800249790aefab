/** `node dist/bench/run.js <scenario> [options]` */
import { echo } from './echo.ts';
import { flood } from './flood.ts';
import { idleMemory } from './memory.ts';
import { locks } from './locks.ts';
import { mixed } from './mixed.ts';
import { UsageError } from './options.ts';
import { watchOthers } from './others.ts';
import { posts } from './posts.ts';
import { endAll, endAllOnSignals } from './process.ts';
import { resp } from './resp.ts';
import { rules } from './rules.ts';
import type { Scenario } from './scenario.ts';
import { spares } from './spares.ts';
import { syscalls } from './syscalls.ts';
import { timeouts } from './timeouts.ts';
import { work } from './work.ts';

const scenarios: readonly Scenario[] = [
  echo,
  mixed,
  flood,
  work,
  spares,
  posts,
  timeouts,
  locks,
  rules,
  resp,
  syscalls,
  idleMemory,
];

function help(): string {
  const list = scenarios.map(({ name, summary, usage }) => {
    const options = usage.split('\n').map((line) => `      ${line}`);
    return [`  ${name}: ${summary}`, ...options].join('\n');
  });
  return `node dist/bench/run.js <scenario> [options]\n\n${list.join('\n\n')}`;
}

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === undefined || [name, ...args].some((word) => word === '--help' || word === '-h')) {
    console.log(help());
    return;
  }
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) {
    const names = scenarios.map((one) => one.name).join(', ');
    throw new UsageError(`there is no scenario '${name}'; there are ${names}`);
  }
  const others = watchOthers();
  await scenario.run(args);
  // Not on stdout, which may be one JSON object.
  console.error(`others used ${others().toFixed(2)} CPUs meanwhile`);
}

endAllOnSignals();
try {
  await main(process.argv.slice(2));
} catch (error) {
  const wrongUsage = error instanceof UsageError;
  console.error(wrongUsage || !(error instanceof Error) ? String(error) : error.stack);
  process.exitCode = wrongUsage ? 2 : 1;
} finally {
  await endAll();
}
