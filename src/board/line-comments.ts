/** A person's words on one line of a diff. */
export interface LineComment {
  path: string;
  line: number;
  /** `new`: the line as the agent left it; `old`: one that it removed. */
  side: 'old' | 'new';
  /** The line itself, so that the agent finds it when lines have moved. */
  code: string;
  text: string;
}

/** @returns the comment as an agent reads it: path and line first, as compilers write them. */
export function quoteChange({ path, line, side, code, text }: LineComment): string {
  const where = `${JSON.stringify(path).slice(1, -1)}:${line}${side === 'old' ? ' (removed)' : ''}`;
  return `${where}: ${text}\n> ${code.trim().slice(0, 200)}`;
}
