import { describeCell, probeCell, readCellSettings } from '../../cell/index.js';
import { fail, ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

const name = 'sandbox';

/** What agents and checks of this host run in, and whether that can be. */
export function checkCell(env: NodeJS.ProcessEnv, home: string): DoctorCheck {
  const { agents, text, next } = describeCell(home, env);
  if (next === undefined) return ok(name, text);
  return agents === 'unusable' ? fail(name, text, next) : warn(name, text, next);
}

/** Tries to break out of a sandbox of this host with its own settings for the network. */
export async function checkEscapes(env: NodeJS.ProcessEnv, home: string): Promise<DoctorCheck> {
  const probe = probeCell(env);
  if ('problem' in probe) return fail('ways out', `none were tried: ${probe.problem}`, 'see docs/security.md');
  const { network } = readCellSettings(home);
  const { EscapeGround } = await import('../../cell/escape-lab.js');
  const { comforts, escapes } = await import('../../cell/escapes.js');
  const ground = await EscapeGround.make();
  try {
    const { out, works } = await ground.try('sandbox', network);
    const open = escapes.filter(({ id }) => out[id] === true);
    const unmet = comforts.filter(({ id }) => works[id] !== true);
    const text = `${escapes.length - open.length} of ${escapes.length} ways out of a sandbox are closed here`;
    if (unmet.length > 0)
      return fail(
        'ways out',
        `${text}; but in it no agent ${unmet.map(({ what }) => what).join(', nor ')}`,
        'see docs/security.md',
      );
    if (open.length === 0) return ok('ways out', text);
    const named = open.map(({ what }) => `it ${what}`).join('; ');
    return open.every(({ area }) => network === 'all' && area === 'network')
      ? warn('ways out', `${text}; open, as documented: ${named}`, 'see docs/security.md for what closes these')
      : fail('ways out', `${text}; open: ${named}`, 'let no agent run here that you do not trust with this');
  } finally {
    await ground.end();
  }
}
