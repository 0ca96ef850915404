/** Milliseconds, or a number with its unit: `90s`, `30m`, `12h`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @returns milliseconds.
 * @throws {RangeError} when the text is no duration; the message tells the form.
 */
export function milliseconds(duration: Duration | string): number {
  if (typeof duration === 'number') return duration;
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration.trim()) ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  if (value === undefined || factor === undefined)
    throw new RangeError(`not a duration: ${JSON.stringify(duration)}; write a number and its unit: 75s, 10m, 12h`);
  return Number(value) * factor;
}
