import type { AgentEvent } from './types.js';

/** One line of structured output. */
export type Line = Readonly<Record<string, unknown>>;

const record = (value: unknown): Line | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : undefined;

/** @returns the object on a line of output, or undefined when there is none. */
export function readLine(text: string): Line | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return record(JSON.parse(text));
  } catch (error) {
    // Programs print warnings between their lines; some begin with a brace.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @returns what lies at a path such as `['message', 'usage']`; numbers index lists. */
export function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (found, key) =>
      Array.isArray(found)
        ? (found as unknown[])[Number(key)]
        : typeof key === 'string' && Object.hasOwn(record(found) ?? {}, key)
          ? record(found)?.[key]
          : undefined,
    value,
  );
}
export const textAt = (value: unknown, ...path: (string | number)[]): string | undefined => {
  const found = at(value, path);
  return typeof found === 'string' && found !== '' ? found : undefined;
};
export const numberAt = (value: unknown, ...path: (string | number)[]): number | undefined => {
  const found = at(value, path);
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
};
export const listAt = (value: unknown, ...path: (string | number)[]): readonly unknown[] => {
  const found = at(value, path);
  return Array.isArray(found) ? (found as unknown[]) : [];
};

/** The tool and, of what it was called with, the part that tells most. */
export function toolActivity(name: string, input: unknown): string {
  for (const key of ['command', 'cmd', 'file_path', 'filePath', 'path', 'pattern', 'query', 'url', 'activity']) {
    const value = textAt(input, key);
    if (value !== undefined) return `${name}: ${value}`;
  }
  return name;
}

/** A parser that reads JSON lines and skips everything else. */
export const jsonLines =
  (read: (line: Line) => AgentEvent | AgentEvent[] | undefined) =>
  (text: string): AgentEvent | AgentEvent[] | undefined => {
    const line = readLine(text);
    return line === undefined ? undefined : read(line);
  };
