import { type Claim, formatVerdicts, judge } from './claims.ts';
import { type Environment, formatEnvironment } from './environment.ts';
import { formatRounds, formatServers, type MeasuredServer, type Rounds } from './rounds.ts';

/** Servers that were measured together, and what is said of them. */
export interface Section {
  readonly title: string;
  readonly rounds: Rounds;
  readonly servers: readonly MeasuredServer[];
  readonly claims: readonly Claim[];
}

/** Prints sections of servers, then claims about something else than these. */
export function report(
  scenario: string,
  environment: Environment,
  json: boolean,
  sections: readonly Section[],
  others: readonly Claim[] = [],
): void {
  if (json) {
    const results = sections.map(({ claims, ...section }) => ({ ...section, verdicts: judge(claims) }));
    console.log(JSON.stringify({ scenario, environment, results, others: judge(others) }));
    return;
  }
  const parts = sections.map(({ title, rounds, servers, claims }) =>
    [
      `== ${title}\n${formatRounds(rounds)}`,
      formatServers(servers),
      formatVerdicts(`compared, per ${rounds.bursts === 1 ? 'round' : 'burst'}`, judge(claims)),
    ].join('\n\n'),
  );
  if (others.length > 0) parts.push(formatVerdicts('measured', judge(others)));
  console.log([formatEnvironment(environment), ...parts].join('\n\n'));
}
