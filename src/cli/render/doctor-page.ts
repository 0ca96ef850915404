import type { Colors } from 'picocolors/types.js';
import type { DoctorCheck } from '../doctor/check.js';

/** @returns the findings, a line each, with the next step below those that are not fine. */
export function doctorPage(checks: DoctorCheck[], c: Colors): string {
  const paint = { ok: c.green, warn: c.yellow, fail: c.red };
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, verdict, text, next }) => [
    `${paint[verdict](verdict.padEnd(4))}  ${name.padEnd(width)}  ${text}`,
    ...(next === undefined ? [] : [`${' '.repeat(width + 8)}next: ${next}`]),
  ]);
  const count = (verdict: DoctorCheck['verdict']): number => checks.filter((check) => check.verdict === verdict).length;
  return [...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`].join('\n');
}
