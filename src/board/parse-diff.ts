/** Git's patch as data: what an agent wrote is never taken for a header, nor for markup. Pure. @module */
import type { DiffAnswer, DiffFile, DiffHunk, DiffLine } from './api-types.js';

/** A line may be a megabyte; a page shows so much of it. */
const lineChars = 2_000;

/** One file of `git diff --raw --numstat -z`: exact whatever its name holds. */
export interface ChangedFile {
  path: string;
  from?: string;
  change: DiffFile['change'];
  added: number;
  removed: number;
  binary: boolean;
}

/** Reads `git diff --raw --numstat -z`. */
export function readChanges(output: string): ChangedFile[] {
  const parts = output.split('\0');
  const changes = new Map<string, { change: DiffFile['change']; from?: string }>();
  const files: ChangedFile[] = [];
  for (let at = 0; at < parts.length;) {
    const part = parts[at] ?? '';
    if (part.startsWith(':')) {
      const letter = part.split(' ')[4]?.[0] ?? 'M';
      const renamed = letter === 'R' || letter === 'C';
      const path = parts[at + (renamed ? 2 : 1)] ?? '';
      changes.set(path, {
        change:
          letter === 'A' || letter === 'C' ? 'added' : letter === 'D' ? 'deleted' : renamed ? 'renamed' : 'changed',
        from: letter === 'R' ? parts[at + 1] : undefined,
      });
      at += renamed ? 3 : 2;
      continue;
    }
    const [, added, removed, name] = /^(\d+|-)\t(\d+|-)\t([\s\S]*)$/.exec(part) ?? [];
    if (added === undefined || removed === undefined) {
      at += 1;
      continue;
    }
    // Where a file was renamed, the names follow by themselves.
    const path = name === '' ? (parts[at + 2] ?? '') : (name ?? '');
    at += name === '' ? 3 : 1;
    const { change = 'changed', from } = changes.get(path) ?? {};
    files.push({
      path,
      from,
      change,
      added: Number(added) || 0,
      removed: Number(removed) || 0,
      binary: added === '-',
    });
  }
  return files;
}

/** Reads the hunks of a patch of one file. Lines of content begin with one of four characters; all else is a header. */
export function readHunks(patch: string): DiffHunk[] {
  const hunks: DiffHunk[] = [];
  let before = 0;
  let after = 0;
  let hunk: DiffHunk | undefined;
  for (const line of patch.split('\n')) {
    const head = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/s.exec(line);
    if (head !== null) {
      [before, after] = [Number(head[1]), Number(head[2])];
      hunk = { head: (head[3] ?? '').slice(0, 200), lines: [] };
      hunks.push(hunk);
      continue;
    }
    if (hunk === undefined) continue;
    const kind = line[0];
    if (kind !== '+' && kind !== '-' && kind !== ' ') continue;
    const text = line.slice(1);
    const read: DiffLine = { kind, text: text.slice(0, lineChars) };
    if (text.length > lineChars) read.cut = text.length - lineChars;
    if (kind !== '+') read.old = before++;
    if (kind !== '-') read.new = after++;
    hunk.lines.push(read);
  }
  return hunks;
}

/** Splits a patch of several files into those of each, in git's order: the one of its list. */
export function splitPatch(patch: string): string[] {
  const starts: number[] = [];
  const header = /^diff --git /gm;
  for (let found = header.exec(patch); found !== null; found = header.exec(patch)) starts.push(found.index);
  return starts.map((start, at) => patch.slice(start, starts[at + 1]));
}

/**
 * Reads a whole patch of git's, without renames: what another host answers. A name comes as git quotes it.
 * @param mostFiles that are read.
 * @param mostLinesOfFile a longer file is listed without its hunks.
 */
export function readPatch(
  patch: string,
  mostFiles: number,
  mostLinesOfFile: number,
): Pick<DiffAnswer, 'files' | 'moreFiles' | 'added' | 'removed'> {
  const all = splitPatch(patch);
  const files = all.map((text): DiffFile => {
    const cut = text.indexOf('\n@@ ');
    const head = (cut < 0 ? text : text.slice(0, cut)).split('\n');
    const hunks = cut < 0 ? [] : readHunks(text.slice(cut + 1));
    const count = (kind: string): number =>
      hunks.reduce((sum, { lines }) => sum + lines.filter((line) => line.kind === kind).length, 0);
    const [added, removed] = [count('+'), count('-')];
    return {
      path: pathIn(head),
      change: head.some((line) => line.startsWith('new file mode '))
        ? 'added'
        : head.some((line) => line.startsWith('deleted file mode '))
          ? 'deleted'
          : 'changed',
      added,
      removed,
      binary: head.some((line) => /^(?:Binary files |GIT binary patch)/.test(line)),
      hunks: added + removed > mostLinesOfFile ? undefined : hunks,
    };
  });
  const sum = (key: 'added' | 'removed'): number => files.reduce((total, file) => total + file[key], 0);
  return {
    files: files.slice(0, mostFiles),
    moreFiles: Math.max(files.length - mostFiles, 0),
    added: sum('added'),
    removed: sum('removed'),
  };
}

/**
 * `+++` names it, of a deleted file `---`; one without content (empty, binary, its mode alone) stands in the first line
 * twice.
 */
function pathIn(head: readonly string[]): string {
  for (const sign of ['+++ ', '--- ']) {
    const line = head.find((one) => one.startsWith(sign));
    // Git ends a name that has a space with a tab.
    const name = line === undefined ? '/dev/null' : unquoted(line.slice(sign.length).replace(/\t$/, ''));
    if (name !== '/dev/null') return name.slice(2);
  }
  const both = (head[0] ?? '').slice('diff --git '.length);
  return unquoted(both.slice(0, (both.length - 1) / 2)).slice(2);
}

const escapes: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** A name as it is: git puts one with unusual characters between quotes, bytes as `\303`. */
function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  const bytes: number[] = [];
  for (const [, octal, letter, plain] of name.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/g)) {
    if (octal !== undefined) bytes.push(parseInt(octal, 8));
    else if (letter !== undefined) bytes.push(escapes[letter] ?? letter.charCodeAt(0));
    else bytes.push(...new TextEncoder().encode(plain));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
