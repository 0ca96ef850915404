/** How far git has come. */
export interface GitProgress {
  /** In git's own words, lower case: `receiving objects`. */
  phase: string;
  /** 0 to 100 within the phase; absent where git does not know how much there is. */
  percent?: number;
}

/**
 * Reads one line of git's progress display.
 * @returns the progress, or undefined when the line is something else.
 */
export function readGitProgress(line: string): GitProgress | undefined {
  const text = line.replace(/^(?:remote: )+/, '').trim();
  const counted = /^([A-Z][\w -]{2,40}?):\s+(\d{1,3})% \(\d+\/\d+\)/.exec(text);
  if (counted?.[1] !== undefined && counted[2] !== undefined)
    return { phase: counted[1].toLowerCase(), percent: Math.min(100, Number(counted[2])) };
  const open = /^([A-Z][\w -]{2,40}?):\s+\d+(?:, .*)?(?:, done)?\.?$/.exec(text);
  return open?.[1] === undefined ? undefined : { phase: open[1].toLowerCase() };
}

/**
 * Splits git's stderr into progress and messages. Progress lines end in a carriage return and may be cut anywhere by
 * the pipe.
 * @param onProgress called once per change of phase or percent.
 */
export function stderrReader(onProgress?: (progress: GitProgress) => void): {
  push: (chunk: string) => void;
  messages: () => string;
} {
  /** Enough for any failure; a hook on the remote may print without end. */
  const keptChars = 64 * 1024;
  let rest = '';
  let kept = '';
  let last = '';
  const take = (line: string): void => {
    const progress = readGitProgress(line);
    if (progress === undefined) {
      if (line.trim() !== '') kept = `${kept}${line.trimEnd()}\n`.slice(-keptChars);
      return;
    }
    const key = `${progress.phase} ${progress.percent ?? ''}`;
    if (key === last) return;
    last = key;
    onProgress?.(progress);
  };
  return {
    push(chunk) {
      const lines = `${rest}${chunk}`.split(/[\r\n]/);
      rest = (lines.pop() ?? '').slice(-keptChars);
      for (const line of lines) take(line);
    },
    messages() {
      take(rest);
      rest = '';
      return kept;
    },
  };
}
