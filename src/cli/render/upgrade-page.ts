import { counted } from '../../domain/words.js';
import type { TownBuild, TownBuilds } from '../local/builds.js';
import type { Colors } from 'picocolors/types.js';

/** @returns what `heartbead upgrade status` prints. */
export function upgradePage(found: TownBuilds, c: Colors): string {
  if (found.builds.length === 0)
    return (
      'the workflows of this town have no versions: a change of their code has to suit those that run ' +
      (found.hindrance === null
        ? '(heartbead up --versioning auto gives them versions)'
        : `(--versioning auto gives them none here: ${found.hindrance})`)
    );
  const lines = found.builds.flatMap((build) => [
    `${build.build === found.current ? c.green(build.build) : build.build}  ${roleOf(build, found)}`,
    `  ${counted(build.workflows, 'workflow')}; ${build.workers.length === 0 ? 'no worker' : build.workers.join(', ')}`,
    ...(build.workflows > 0 && build.workers.length === 0
      ? [c.red('  these wait for a worker that has this build: start one')]
      : build.done && build.workers.length > 0
        ? ['  nothing is pinned to it: a worker of this build alone may be ended']
        : []),
  ]);
  if (found.versioned && found.unversioned.length > 0)
    lines.push(`without a version, and so without workflows: ${found.unversioned.join(', ')}`);
  return lines.join('\n');
}

const roleOf = ({ build, status }: TownBuild, { current, ramping }: TownBuilds): string =>
  build === current ? 'current' : build === ramping?.build ? `${ramping.percent} % of the new workflows` : status;
