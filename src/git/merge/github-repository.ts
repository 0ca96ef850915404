import { PullRequestError } from './pull-requests.js';

/**
 * @param repo URL of a repository, as git takes it.
 * @returns it as the GitHub CLI takes it: `host/owner/name`.
 * @throws PullRequestError `not_a_forge` for paths and for URLs of another shape.
 */
export function githubRepository(repo: string): string {
  const [, host, path] =
    /^(?:https?|ssh|git):\/\/(?:[^/@]*@)?([\w.-]+)(?::\d+)?\/(.+)$/.exec(repo) ??
    /^(?:[\w.-]+@)([\w.-]+):(.+)$/.exec(repo) ??
    [];
  const [, owner, name] = /^([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(path ?? '') ?? [];
  if (host === undefined || owner === undefined || name === undefined) {
    throw new PullRequestError(
      'not_a_forge',
      `pull requests need a repository on GitHub, such as https://github.com/owner/name, and this is ${repo}: ` +
        'choose another merge strategy for the rig',
    );
  }
  return `${host}/${owner}/${name}`;
}
