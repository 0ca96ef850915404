import { runGit } from '../run-git.js';

const own = { name: 'Heartbead Refinery', email: 'heartbead@localhost' };

/**
 * Whose name merges carry: that of the user who runs the worker, when the environment or the configuration of git has
 * one, else the refinery's own. Asked outside of any repository: what agents have configured in a mirror's worktrees
 * must not sign for us.
 */
export async function refineryIdentity(signal?: AbortSignal): Promise<Record<string, string>> {
  const ask = async (who: 'AUTHOR' | 'COMMITTER'): Promise<Record<string, string>> => {
    // Without useConfigOnly git would guess a name from the host's.
    const { stdout, code } = await runGit('nowhere', ['-c', 'user.useConfigOnly=true', 'var', `GIT_${who}_IDENT`], {
      doing: 'reading the identity for merges',
      signal,
      accept: [0, 128],
    });
    const [, name, email] = (code === 0 ? /^(.+) <([^<>]+)> \d+ [+-]\d{4}$/.exec(stdout.trim()) : null) ?? [];
    return {
      [`GIT_${who}_NAME`]: name !== undefined && email !== undefined ? name : own.name,
      [`GIT_${who}_EMAIL`]: name !== undefined && email !== undefined ? email : own.email,
    };
  };
  return { ...(await ask('AUTHOR')), ...(await ask('COMMITTER')) };
}
