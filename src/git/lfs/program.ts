import { delimiter } from 'node:path';
import { onPath } from '../../edge/programs.js';
import { runGit } from '../run-git.js';

/** How Git LFS stands with the user that runs Heartbead. */
export interface LfsProgram {
  /** `git-lfs/3.3.0`. */
  version: string;
  /**
   * What the repositories of ours need in their configuration, where the user's own has no filter (`git lfs install`).
   */
  settings: string[];
  /** Whether the user wants the contents in working trees, and not the pointers. */
  smudges: boolean;
}

const known = new Map<string, LfsProgram>();
/** Where git itself looks for `git-lfs`, beside PATH. */
let ownPrograms: string | undefined;

/**
 * @returns undefined where there is no such program. What was found is remembered; what was not is looked for again, by
 * files: where there is none, each start of an attempt would else pay for a process that says so.
 */
export async function lfsProgram(signal?: AbortSignal): Promise<LfsProgram | undefined> {
  const names = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_NOSYSTEM', 'GIT_LFS_SKIP_SMUDGE'];
  const key = names.map((name) => process.env[name] ?? '').join('\0');
  const before = known.get(key);
  if (before !== undefined) return before;
  const doing = 'looking for git-lfs';
  if (!(await isThere(doing))) return undefined;
  const { stdout, code } = await runGit('nowhere', ['lfs', 'version'], { doing, signal, accept: [0, 1, 128] });
  const version = /^git-lfs\/\S+/.exec(stdout)?.[0];
  if (code !== 0 || version === undefined) return undefined;
  const { stdout: own } = await runGit('nowhere', ['config', '--get-regexp', '^filter\\.lfs\\.(process|smudge)$'], {
    doing,
    signal,
    accept: [0, 1],
  });
  const program: LfsProgram = {
    version,
    settings: own === '' ? filterSettings : [],
    smudges: !/ --skip\b/.test(own) && !/^(?:1|true|yes|on|t)$/i.test(process.env['GIT_LFS_SKIP_SMUDGE'] ?? ''),
  };
  known.set(key, program);
  return program;
}

/** By its name, as its filters call it. */
async function isThere(doing: string): Promise<boolean> {
  ownPrograms ??= (await runGit('nowhere', ['--exec-path'], { doing })).stdout.trim();
  const PATH = [ownPrograms, process.env['PATH'] ?? ''].join(delimiter);
  return onPath('git-lfs', { PATH }) !== undefined;
}

/** What `git lfs install` writes. */
const filterSettings = [
  '[filter "lfs"]',
  '\tclean = git-lfs clean -- %f',
  '\tsmudge = git-lfs smudge -- %f',
  '\tprocess = git-lfs filter-process',
  '\trequired = true',
];
