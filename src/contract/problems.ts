/**
 * Guards that serve the CLI, the client and the workflow alike: each returns what is wrong as one sentence, or
 * undefined. Plain code, since the workflow calls them too and zod stays out of its bundle.
 * @module
 */
import { limits } from './limits.js';
import { nulProblem } from './plain-text.js';

/** @returns what is wrong with a bead id, or undefined. Ids become workflow ids, refs and folder names. */
export function beadIdProblem(id: unknown): string | undefined {
  if (typeof id !== 'string' || id === '') return 'a bead id must be a non-empty text';
  if (id.length > limits.beadIdChars)
    return `a bead id has at most ${limits.beadIdChars} characters, this one has ${id.length}`;
  if (!/^[a-z0-9][a-z0-9-]*$/.test(id))
    return (
      'a bead id has only lower-case letters, digits and dashes, and begins with a letter or digit: ' +
      `${JSON.stringify(id)}`
    );
  return undefined;
}

/** @returns what is wrong with an attempt id (`<n>-<random>`), or undefined. */
export function attemptIdProblem(id: unknown): string | undefined {
  return typeof id === 'string' && /^\d{1,6}-[a-z0-9]{4,32}$/.test(id)
    ? undefined
    : 'an attempt id looks like 1-k3j9x2ab';
}

/**
 * The rules of `git check-ref-format --branch`, and one more: no name that a command line could take for an option.
 * @returns what is wrong with a branch name, or undefined.
 */
export function branchProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'a branch name must be a non-empty text';
  if (name.startsWith('-')) return `a branch name cannot begin with a dash: ${JSON.stringify(name)}`;
  if (name.length > 200) return 'a branch name has at most 200 characters';
  const bad =
    /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|^@$/.test(name) ||
    name.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'));
  return bad ? `not a branch name that git accepts: ${JSON.stringify(name)}` : undefined;
}

export const litterLimits = { patterns: 50, chars: 200, wildcards: 5 } as const;

/**
 * A pattern without a slash names files and folders wherever they lie, one with a slash a path from the tree's top.
 * `*` and `?` stand for anything but a slash.
 * @returns what is wrong with a pattern of litter, or undefined.
 */
export function litterProblem(pattern: unknown): string | undefined {
  if (typeof pattern !== 'string' || pattern.trim() === '' || pattern.length > litterLimits.chars)
    return `a pattern of litter has 1 to ${litterLimits.chars} characters, such as *.log or tmp/cache`;
  const said = JSON.stringify(pattern);
  if (/[\x00-\x1f\x7f]/.test(pattern)) return `a pattern of litter cannot hold control characters: ${said}`;
  if (/^[*?/]+$/.test(pattern)) return `a pattern of litter that names every file would let any work pass: ${said}`;
  if (pattern.includes('**') || pattern.split('/').some((part) => part === '..' || part === '.'))
    return `a pattern of litter has no ** and no . or .. in it: ${said}; without a slash it holds in every folder`;
  return pattern.split('*').length > litterLimits.wildcards + 1
    ? `a pattern of litter has at most ${litterLimits.wildcards} stars: ${said}`
    : undefined;
}

/** Where refs have a meaning of their own, for git, for forges or for a host's mirror. */
const takenPrefixes = /^(?:heads|tags|remotes|notes|pull|merge-requests|changes|replace|stash|bisect|heartbead-.*)$/i;

/** @returns what is wrong with the prefix of our refs on a remote, or undefined. */
export function refPrefixProblem(prefix: unknown): string | undefined {
  if (typeof prefix !== 'string' || prefix.length > 80) return 'a ref prefix is a text of at most 80 characters';
  const problem = branchProblem(prefix);
  if (problem !== undefined) return `the ref prefix is ${problem.replace(/^a branch name /, 'a name that ')}`;
  const [first = ''] = prefix.split('/');
  return takenPrefixes.test(first)
    ? `refs below refs/${first} have a meaning of their own: choose another ref prefix, such as bots/heartbead`
    : undefined;
}

/**
 * Only protocols that move data: `ext::` and friends run commands. A bare path is a local repository.
 * Credentials do not belong in a URL: it is kept in history.
 * @returns what is wrong with a repository's URL, or undefined.
 */
export function repoProblem(url: unknown): string | undefined {
  if (typeof url !== 'string' || url === '') return 'a repository needs a URL or a path';
  if (url.length > 1_000) return 'a repository URL has at most 1,000 characters';
  if (url.startsWith('-')) return `a repository URL cannot begin with a dash: ${JSON.stringify(url)}`;
  if (/[\x00-\x1f\x7f]/.test(url)) return 'a repository URL cannot hold control characters';
  if (/^[a-z0-9+.-]*::/i.test(url))
    return (
      `this kind of repository URL can run commands and is refused: ${JSON.stringify(url)}; use https, ssh, git, ` +
      'file or a path'
    );
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!['https', 'http', 'ssh', 'git', 'file'].includes(scheme))
      return `the protocol ${scheme} is not allowed; use https, ssh, git, file or a path`;
    if (/^[a-z]+:\/\/[^/@]*:[^/@]*@/i.test(url))
      return (
        'a repository URL must not carry a password (it would stay in history); ' + 'use a git credential helper or ssh'
      );
    return undefined;
  }
  if (url.startsWith('/') || url.startsWith('./') || url.startsWith('../')) return undefined;
  if (/^[\w.-]+@[\w.-]+:(?!-)\S+$/.test(url)) return undefined;
  return `not a repository URL or path: ${JSON.stringify(url)}; a path begins with / or ./`;
}

/** How forges begin their tokens: GitHub, GitLab, Bitbucket and Atlassian, Gitea's and OAuth's user names for them. */
const tokenWords = /^(?:gh[a-z]_|github_pat_|gl[a-z]+-|ATBB|ATATT|x-token-auth$|x-access-token$|oauth2$)/i;

/**
 * A user name in a URL is no secret (`https://jane@…`), but forges take a token in its place. For the edges alone: a
 * bead that has begun with such a URL goes on.
 * @returns what is wrong with the user part of a repository's http(s) URL, or undefined.
 */
export function repoTokenProblem(url: string): string | undefined {
  const user = /^https?:\/\/([^/@]*)@/i.exec(url)?.[1];
  if (user === undefined) return undefined;
  const secret = tokenWords.test(user) || (user.length >= 20 && /\d/.test(user) && /^[\w.~%-]+$/.test(user));
  return secret
    ? 'a repository URL must not carry a token (it would stay in history); use a git credential helper or ssh'
    : undefined;
}

const shaPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** @returns what is wrong with a full commit id, or undefined. */
export function shaProblem(sha: unknown): string | undefined {
  return typeof sha === 'string' && shaPattern.test(sha) ? undefined : 'a commit id has 40 (or 64) hexadecimal digits';
}

/** @returns what is wrong with a title, or undefined. */
export function titleProblem(title: unknown): string | undefined {
  if (typeof title !== 'string' || title.trim() === '') return 'a bead needs a title';
  if (title.length > limits.titleChars)
    return (
      `a title has at most ${limits.titleChars} characters, this one has ${title.length}; put the rest into the ` +
      'body'
    );
  return nulProblem(title, 'a title');
}

/** @returns what is wrong with a body, or undefined. `bytes` is its length in UTF-8. */
export function bodyProblem(body: unknown, bytes: number): string | undefined {
  if (typeof body !== 'string') return 'a body must be a text';
  if (bytes > limits.bodyBytes)
    return (
      `a body has at most ${limits.bodyBytes} bytes, this one has ${bytes}; put long material into the repository ` +
      'and name the file'
    );
  return nulProblem(body, 'a body');
}

/** @returns what is wrong with an agent's command line, or undefined. */
export function commandProblem(command: unknown): string | undefined {
  if (typeof command !== 'string' || command.trim() === '') return 'a command must be a non-empty text';
  if (command.length > limits.commandChars)
    return (
      `a command has at most ${limits.commandChars} characters, this one has ${command.length}; put a longer one ` +
      'into a script'
    );
  return nulProblem(command, 'a command');
}

/** @returns what is wrong with a path on a host, or undefined. */
export function hostPathProblem(path: unknown): string | undefined {
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > 1_000 || /[\x00-\x1f\x7f]/.test(path))
    return `a file of the host is named by its absolute path, not ${JSON.stringify(path)}`;
  return undefined;
}

/**
 * @returns what is wrong with a path below a working tree, or undefined. Git's own folder is out of reach: what lies
 * there runs commands.
 */
export function treePathProblem(path: unknown): string | undefined {
  const parts = typeof path === 'string' ? path.split('/') : [];
  const fine =
    typeof path === 'string' &&
    path.length <= 500 &&
    !/[\x00-\x1f\x7f\\]/.test(path) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && part.toLowerCase() !== '.git');
  return fine ? undefined : `a path in the tree goes down from its top, and not into .git: ${JSON.stringify(path)}`;
}

/**
 * What an agent may be let out to: `api.example.org`, `*.example.org`, `*`, each with `:443` or without, or `@name` for
 * a group of them that the host's own settings have.
 * @returns what is wrong with it, or undefined.
 */
export const destinationProblem = (entry: string): string | undefined =>
  entry.length <= 300 && /^(?:@[a-z0-9][a-z0-9-]{0,59}|(?:\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*)(?::\d{1,5})?)$/.test(entry)
    ? undefined
    : 'a host such as api.example.org, *.example.org, * or example.org:443, or @name of a group in cell.json';
