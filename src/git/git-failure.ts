import { existsSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { clip } from '../contract/index.js';
import { GitError } from './git-error.js';
import type { GitErrorKind } from './git-error.js';

/** What git was asked to do, in words that fit behind "while". */
export interface GitTask {
  /** As in `updating the mirror`. */
  doing: string;
  /** The repository that was talked to, when one was. */
  repo?: string;
  /** The worktree it was done in, when it was. */
  worktree?: string;
}

/** @returns the text without user names, passwords and tokens in URLs. */
export const withoutCredentials = (text: string): string => text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi, '$1');

/**
 * First match wins: a server that hangs up after refusing the key is a refusal, and a full disk makes everything else
 * fail as well. The texts are git's own, ssh's and curl's (all in English: `LC_ALL=C`).
 */
const kinds: readonly [GitErrorKind, RegExp][] = [
  ['no_space', /No space left on device|Disk quota exceeded|file write error: .*space|ENOSPC/i],
  [
    'not_found',
    /does not appear to be a git repository|repository '.*' (?:not found|does not exist)|Repository not found|returned error: 404|access denied or repository not exported|(?:project|repository) you were looking for could not be found|no such repository/i,
  ],
  [
    'auth',
    /Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|Permission denied \([\w,-]+\)|Host key verification failed|returned error: 40[13]|Permission to .* denied|access denied|detected dubious ownership|insufficient permission for adding an object|Invalid username or (?:password|token)/i,
  ],
  ['rejected', /! \[(?:remote )?rejected\]|\[(?:remote )?(?:rejected|failure)\]|hook declined|protected branch/i],
  [
    'no_such_ref',
    /couldn't find remote ref|not our ref|bad revision|unknown revision|invalid reference|not a valid object name/i,
  ],
  [
    'unreachable',
    /Could not resolve host|unable to look up|Name or service not known|Temporary failure in name resolution|Failed to connect|unable to connect to|Couldn't connect|Connection (?:refused|reset|timed out|closed)|Operation timed out|timed out|No route to host|Network is unreachable|early EOF|hung up unexpectedly|RPC failed|returned error: (?:408|429|5\d\d)|Empty reply from server|\b(?:SSL|TLS)\b|gnutls_handshake|certificate|kex_exchange|Transferred a partial file|unexpected disconnect|Could not read from remote repository/i,
  ],
];

/** What git says when its own store is broken. Read only from commands on a local repository's objects. */
const damage =
  /bad object|unable to read (?:sha1 file|tree|blob|[0-9a-f]{40})|unable to parse (?:object|commit)|object file .* is empty|loose object .* is corrupt|packed object .* is corrupt|packfile .* (?:is far too short|does not match|cannot be|is not a)|inflate: data stream error|missing (?:blob|tree|commit|object)|does not point to a valid object|did not send all necessary objects|reference broken|not a git repository|Could not read [0-9a-f]{40}|failed to (?:traverse parents|read object)|invalid object|index file .* too small|unexpected line in .*packed-refs|is missing or corrupt/i;

/** @returns the kind of failure that git's own words tell of. */
export function gitErrorKind(stderr: string): GitErrorKind {
  return kinds.find(([, pattern]) => pattern.test(stderr))?.[0] ?? 'other';
}

/** @returns the failure as an error that a person understands: what happened, to what, what to do next. */
export function gitFailure(task: GitTask, stderr: string): GitError {
  const text = withoutCredentials(stderr).trim();
  if (task.worktree !== undefined && /not a git repository/.test(text)) {
    return new GitError(
      'other',
      `${task.worktree} is no longer a git worktree (its .git was removed, or its mirror is gone): the files ` +
        'in it are untouched, look at them there',
      text,
    );
  }
  if (/from promisor remote/.test(text)) return new GitError('bad_input', cutOff(task.repo, 'partial'), text);
  const kind = gitErrorKind(text);
  const damaged = (kind === 'other' || kind === 'no_such_ref') && damage.test(text);
  const said = kind === 'rejected' ? refusalWords(text) : telling(text);
  return new GitError(kind, sentence(kind, task, { said, text }, damaged), text, { damaged });
}

/** @returns what is to be said of a repository that is no whole one, and so cannot be fetched from. */
export const cutOff = (repo: string | undefined, how: 'shallow' | 'partial'): string =>
  `the repository ${withoutCredentials(repo ?? '')} is a ${how} clone, from which git fetches nothing whole: ` +
  (how === 'shallow'
    ? 'run `git fetch --unshallow` in it, or name the repository that it was cloned from'
    : 'name the repository that it was cloned from, or make a whole clone of it');

const refusalAdvice: Record<PushRefusal, string> = {
  commit: 'mend the commits as it says',
  access: 'give the user that runs the worker access to push there',
  ref: 'allow refs/heads/heartbead/* and refs/heartbead/* there, or give the rig names that it allows (`--ref-prefix`)',
};

/**
 * A worker keeps the address of the ssh-agent that it was started with; a forwarded one ends with its login.
 * @returns what to do when the keys cannot have been offered because the agent is gone.
 */
function goneKeys(text: string): string | undefined {
  const socket = process.env['SSH_AUTH_SOCK'] ?? '';
  return socket !== '' && /Permission denied \([\w,-]*publickey/.test(text) && !existsSync(socket)
    ? `the ssh-agent that the worker was started with is gone (there is nothing at SSH_AUTH_SOCK, ${socket}): ` +
        'start the worker again from a login whose agent stays, or give its user an ssh key in a file'
    : undefined;
}

function sentence(
  kind: GitErrorKind,
  { doing, repo }: GitTask,
  { said, text }: { said: string; text: string },
  damaged: boolean,
): string {
  const where = repo === undefined ? 'the repository' : `the repository ${withoutCredentials(repo)}`;
  switch (kind) {
    case 'unreachable':
      return (
        `while ${doing}, ${where} could not be reached (${said}): check its address and the network; trying ` +
        'again may help'
      );
    case 'auth':
      return (
        `while ${doing}, ${where} refused access (${said}): ` +
        (goneKeys(text) ??
          'give the user that runs the worker access without a prompt (credential helper, ssh key, safe.directory)')
      );
    case 'not_found':
      return (
        `while ${doing}, nothing was found at ${withoutCredentials(repo ?? 'that address')} (${said}): correct ` +
        'the address, or the rights of the user that runs the worker'
      );
    case 'no_such_ref':
      return `while ${doing}, a branch or commit was not there (${said}): check its name on ${where}`;
    case 'rejected':
      return (
        `while ${doing}, ${where} refused the push (${said}): ` +
        `${refusalAdvice[pushRefusal({ kind, stderr: text }) ?? 'commit']}`
      );
    case 'no_space':
      return `while ${doing}, the disk was full (${said}): free some space, then try again`;
    case 'timeout':
      return `while ${doing}, git made no progress (${said}): check ${where} and the network; trying again may help`;
    case 'bad_input':
      return said;
    case 'other':
      return damaged
        ? `while ${doing}, git found its local copy damaged (${said}): it is cloned again with the next start`
        : `git failed while ${doing} (${said}): run \`heartbead doctor\`, or the same git command by hand, to see more`;
  }
}

/** Lines by which forges frame what they say, and git's own about a hook; none of them tells anything. */
const frames = /^(?:error: hook declined|error: denied by|-+$|=+$|\*+$|$)/i;
/** What a remote says at most that is passed on: GitHub's longest refusals have about a dozen lines. */
const wordsKept = 1_000;

/**
 * @returns the remote's own words (its `remote:` lines), without terminal controls and framing, a line each; empty when
 * it said nothing.
 */
export function remoteWords(stderr: string): string {
  const lines = withoutCredentials(stripVTControlCharacters(stderr))
    .split(/[\n\r]/)
    .map((line) =>
      /^remote:(.*)$/
        .exec(line)?.[1]
        ?.replace(/[\p{Cc}\p{Cf}]/gu, '')
        .trim(),
    )
    .filter((line) => line !== undefined && !frames.test(line));
  return clip([...new Set(lines)].join('\n'), wordsKept);
}

/** @returns why the refs of a push were not taken: git's word for it, and what the remote itself says. */
function refusalWords(text: string): string {
  const reasons = text
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => /\(([^()]*)\)\s*$/.exec(line.trim())?.[1] ?? line.replace(/\s+/g, ' '));
  // Where two refs were refused, one is often only carried along by the other.
  const own = reasons.filter((reason) => !/^atomic (?:push|transaction) fail/.test(reason));
  const reason = [...new Set(own.length > 0 ? own : reasons)].join('; ');
  const words = remoteWords(text).replaceAll('\n', ' ');
  if (reason === '' && words === '') return telling(text);
  return reason === '' || words === '' ? `${reason}${words}` : `${reason}: ${words}`;
}

/** What has to change before a refused push can pass: the commits, the access, or the name that they go to. */
export type PushRefusal = 'commit' | 'access' | 'ref';

/** Rules about names and places, in the words of git, GitHub, GitLab, Gerrit and Bitbucket. */
const aboutRef =
  /GH006|creations? being restricted|creations? (?:is|are) restricted|Cannot (?:create|update) (?:this )?(?:protected )?(?:ref|branch)|protected (?:branch|ref)|hidden ref|funny refname|cannot lock ref|cannot be created|ref(?:name)? .*(?:conflict|exists)|(?:branch|ref|tag) name|does not (?:match|follow).*(?:pattern|name)|prohibited by Gerrit|not allowed to (?:push|create)|no permission to create|directory file conflict|(?:non-fast-forward|force.push)|deny updating/i;
/** The hook of a forge that says that a login has run out. */
const aboutAccess =
  /token.*(?:expired|revoked|invalid)|expired.*token|not authori[sz]ed|read[- ]only|write access|HTTP Basic: Access denied/i;
/**
 * Rules about what is in the commits; they win, since a ruleset that is broken by a commit names the branch as well.
 */
const aboutCommit =
  /GH001|GH007|GH008|GH009|push protection|secret|exceeds|file size|too (?:large|big)|larger than|maximum .*size|is \d[\d.]* ?[KMG]i?B|LFS objects|commit message|committer|author|sign(?:ed|ature|-?off)|e-?mail/i;

/** @returns what a failed push was refused for; undefined when it was no refusal but a failure that passes. */
export function pushRefusal({ kind, stderr }: Pick<GitError, 'kind' | 'stderr'>): PushRefusal | undefined {
  if (kind === 'auth' || kind === 'not_found') return 'access';
  if (kind !== 'rejected') return undefined;
  const said = refusalWords(stderr);
  if (aboutAccess.test(said)) return 'access';
  if (aboutCommit.test(said)) return 'commit';
  if (aboutRef.test(said)) return 'ref';
  // A hook of somebody's own that looks at what is pushed: most look at the commits.
  return 'commit';
}

/** @returns the line of git's answer that tells most: what the remote says, else the first error. */
function telling(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const of = (pattern: RegExp): string | undefined => lines.find((line) => pattern.test(line));
  const line =
    of(/^!\s/) ??
    of(/Permission denied|Host key|No space left|Could not resolve|dubious ownership/i) ??
    of(/^remote: (?:fatal|error|ERROR)/) ??
    of(/^fatal: (?!Could not read from remote)/) ??
    of(/^error:/) ??
    of(/^fatal:/) ??
    lines.at(-1);
  return clip((line ?? 'git gave no reason').replace(/^(?:fatal|error): /, '').replace(/\s+/g, ' '), 300);
}
