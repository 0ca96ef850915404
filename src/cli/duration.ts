const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @returns milliseconds of `500ms`, `75s`, `10m`, `8h`, `2d`; undefined for anything else. A bare number is refused:
 * nobody knows its unit.
 */
export function durationOf(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const ms = match === null ? 0 : Math.round(Number(match[1]) * (units[match[2] as string] as number));
  return ms > 0 ? ms : undefined;
}

export const durationProblem = (text: string): string =>
  `not a duration: ${JSON.stringify(text)}; write 500ms, 75s, 10m, 8h or 2d`;
