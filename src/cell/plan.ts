import { join } from 'node:path';
import type { AgentCell, AttemptCell } from '../contract/index.js';
import { networkOf } from './destinations.js';
import type { NetworkAsked } from './destinations.js';
import { probeCell } from './probe.js';
import type { CellProbe } from './probe.js';
import { CellSettingsError, cellSettingsFile, cellVariable, readCellSettings } from './settings.js';
import type { CellSettings } from './settings.js';
import type { CellNetwork, CellPlan } from './types.js';

export interface PlanOptions {
  /** The state directory, whose settings say what is done. */
  home: string;
  rig?: string | undefined;
  /** By the bead, or its rig. */
  asked?: AgentCell | undefined;
  /** The only hosts that the bead, or its rig, wants its agent to reach. */
  network?: readonly string[] | undefined;
  /** Where the models of its program are. */
  provider?: readonly string[] | undefined;
  /** By which bubblewrap is looked for. */
  env: NodeJS.ProcessEnv;
}

/** @returns how the programs of an attempt or a check are run on this host, or why they are not run at all. */
export function planCell(
  which: 'agents' | 'checks',
  { home, rig, asked, network, provider, env }: PlanOptions,
): CellPlan | { refused: string } {
  try {
    return decideCell(which, readCellSettings(home, rig), asked, () => sandboxHere(env), { network, provider });
  } catch (error) {
    // A file that cannot be used is no permission.
    if (!(error instanceof CellSettingsError)) throw error;
    return { refused: error.message };
  }
}

/**
 * Pure but for the probe. A rig or bead that asks for more than the host's settings gets it; less it gets only where
 * the host has left it open.
 */
export function decideCell(
  which: 'agents' | 'checks',
  settings: CellSettings,
  asked: AgentCell | undefined,
  probe: () => CellProbe,
  out: NetworkAsked = {},
): CellPlan | { refused: string } {
  const { read, write, limits } = settings;
  const set = settings[which];
  const network = networkOf(settings, out);
  if (typeof network === 'object' && 'refused' in network) return network;
  if (asked === 'none' && out.network !== undefined)
    return { refused: 'the bead asks for a list of hosts and for no sandbox, without which there can be no list' };
  const plan = (launcher: CellPlan['launcher']): CellPlan => ({ launcher, network, read, write, limits });
  if (asked === 'none') {
    if (set === 'auto' || set === 'none') return plan('none');
    return {
      refused: `the bead asks for no sandbox, but ${cellSettingsFile} of this host says that ${which} have one`,
    };
  }
  const wanted = asked ?? (out.network === undefined ? set : 'sandbox');
  if (wanted !== 'auto' && wanted !== 'sandbox') return plan(wanted);
  const found = probe();
  if ('program' in found) return plan('sandbox');
  return wanted === 'auto' ? plan('none') : { refused: found.problem };
}

/** @returns what a plan comes to, in a word. */
export const cellKind = ({ launcher }: CellPlan): AttemptCell => (typeof launcher === 'string' ? launcher : 'command');

/**
 * By the PATH that bubblewrap was looked for on. A host that can make cells goes on to: otherwise nobody could rely on
 * it.
 */
const works = new Map<string, CellProbe>();

/**
 * Whether this host can make sandboxes, tried once in the life of a worker.
 * @returns the answer of the first try that worked; until then each call tries.
 */
export function sandboxHere(env: NodeJS.ProcessEnv): CellProbe {
  const key = env['PATH'] ?? '';
  const known = works.get(key);
  if (known !== undefined) return known;
  const found = probeCell(env);
  if ('program' in found) works.set(key, found);
  return found;
}

/** What agents and checks of a host run in, for a person. */
export interface CellOfHost {
  /** `unusable`: nothing is run at all; the text says why. */
  agents: 'sandbox' | 'none' | 'command' | 'unusable';
  /** One clause. */
  text: string;
  /** What makes it better; absent when nothing has to be done. */
  next?: string;
}

/** @returns what this host does with agents that ask for nothing else. */
export function describeCell(home: string, env: NodeJS.ProcessEnv): CellOfHost {
  const agents = planCell('agents', { home, env });
  const checks = planCell('checks', { home, env });
  for (const plan of [agents, checks])
    if ('refused' in plan)
      return {
        agents: 'unusable',
        text: `no agent is started here: ${plan.refused}`,
        next: `mend it, or change ${join(home, cellSettingsFile)} (docs/security.md)`,
      };
  if ('refused' in agents || 'refused' in checks) throw new Error('unreachable');
  const text = `agents run ${launcherWords(agents.launcher)}, checks ${launcherWords(checks.launcher)}`;
  const kind = cellKind(agents);
  if (kind !== 'none') return { agents: kind, text: `${text}; ${networkWords(agents.network)}` };
  if (readCellSettings(home).agents === 'none')
    return { agents: kind, text: `${text}: ${cellSettingsFile} or ${cellVariable} says so` };
  const probe = sandboxHere(env);
  return {
    agents: kind,
    text: `${text}: ${'problem' in probe ? probe.problem : 'a sandbox could not be made a moment ago'}`,
    next: 'where this host can make sandboxes, they run in one by themselves (docs/security.md)',
  };
}

const launcherWords = (launcher: CellPlan['launcher']): string =>
  launcher === 'none'
    ? 'without a sandbox, as the worker itself'
    : launcher === 'sandbox'
      ? 'in a sandbox'
      : `by \`${launcher[0]}\``;

const networkWords = (network: CellNetwork): string =>
  network === 'none'
    ? 'they have no network'
    : network === 'all'
      ? "their network is the host's, its loopback included"
      : `they reach ${network.allow.length === 0 ? 'no host' : network.allow.join(', ')} and nothing else`;
