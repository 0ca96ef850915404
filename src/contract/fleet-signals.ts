/**
 * Readers of the signals to rigs and convoys: they do not trust their payload, do not throw, and answer with what is
 * wrong as text. @module
 */
import { beadWorkflowId } from './names.js';
import { branchProblem, shaProblem } from './problems.js';
import { clip, limits } from './limits.js';
import type { BeadReport } from './convoy.js';
import type {
  MergeRequest,
  ProbeProgress,
  ReturnGrant,
  SignedApproval,
  GrantEnd,
  GrantRequest,
  WithdrawMerge,
} from './rig.js';
import { beadStatuses, outcomes } from './types.js';
import type { Decided } from './types.js';

const record = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
/** Names of beads and items are at most 60 characters, workflow ids 255 (the server's limit). */
const name = (value: unknown, max = 255): value is string =>
  typeof value === 'string' && value !== '' && value.length <= max;
const instant = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
/** An unreadable priority is the middle one: it must not cost a bead its place. */
const priorityOf = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.min(Math.max(Math.round(value), 1), 5) : 3;

/** Reads the question of a bead for a grant. */
export function readGrantRequest(payload: unknown): Decided<GrantRequest> | string {
  const p = record(payload);
  if (p === undefined || !name(p['bead']) || !name(p['workflowId'])) return 'not a request for a grant';
  if (!instant(p['since'])) return 'a request for a grant without its age';
  return {
    bead: p['bead'],
    workflowId: p['workflowId'],
    priority: priorityOf(p['priority']),
    since: p['since'],
    agent: name(p['agent']) ? p['agent'] : undefined,
    retried: p['retried'] === true ? true : undefined,
  };
}

/** Reads the return of a grant. */
export function readReturnGrant(payload: unknown): Decided<ReturnGrant> | string {
  const p = record(payload);
  if (p === undefined || !name(p['bead'])) return 'not the return of a grant';
  return {
    bead: p['bead'],
    infraLoss: p['infraLoss'] === true,
    progress: p['progress'] === true,
    end: readGrantEnd(p['end']),
  };
}

/** Beads of earlier versions say nothing of it; one that cannot be read stops nobody. */
function readGrantEnd(value: unknown): Decided<GrantEnd> | undefined {
  const p = record(value);
  const outcome = outcomes.find((known) => known === p?.['outcome']);
  if (p === undefined || outcome === undefined || !name(p['agent'])) return undefined;
  const { reached, fruitless, usd } = p;
  return {
    outcome,
    reason: clip(typeof p['reason'] === 'string' ? p['reason'] : '', 500),
    agent: p['agent'],
    host: name(p['host']) ? p['host'] : undefined,
    reached: reached === 'progress' || reached === 'spawned' ? reached : 'nothing',
    fruitless: instant(fruitless) ? Math.min(Math.floor(fruitless), 1_000) : 0,
    usd: instant(usd) ? usd : 0,
  };
}

/** Reads a `probeProgress` signal. */
export function readProbeProgress(payload: unknown): Decided<ProbeProgress> | string {
  const p = record(payload);
  return p !== undefined && name(p['bead'])
    ? { bead: p['bead'], spawned: p['spawned'] === true ? true : undefined }
    : 'not the progress of a bead';
}

/** A signature that is none at all is as good as absent; whether it holds is the rig's to say. */
function signedApproval(p: Record<string, unknown> | undefined): SignedApproval | undefined {
  const { signature, found } = p ?? {};
  if (typeof signature !== 'string' || signature.length > limits.signatureChars) return undefined;
  return { signature, found: typeof found === 'string' && shaProblem(found) === undefined ? found : undefined };
}

/** Reads an `enqueueMerge` signal. An empty target is the rig's base. */
export function readMergeRequest(payload: unknown): Decided<MergeRequest> | string {
  const p = record(payload);
  if (p === undefined || !name(p['item']) || !name(p['workflowId'])) return 'not a request for a merge';
  const { branch, sha, target } = p;
  const problem =
    branchProblem(branch) ??
    shaProblem(sha) ??
    (target === '' || target === undefined ? undefined : branchProblem(target));
  if (problem !== undefined) return problem;
  return {
    item: p['item'],
    workflowId: p['workflowId'],
    branch: branch as string,
    sha: sha as string,
    target: typeof target === 'string' ? target : '',
    priority: priorityOf(p['priority']),
    since: instant(p['since']) ? p['since'] : 0,
    title: clip(typeof p['title'] === 'string' ? p['title'] : p['item'], limits.titleChars),
    began: shaProblem(p['began']) === undefined ? (p['began'] as string) : undefined,
    approval: signedApproval(record(p['approval'])),
  };
}

/** Reads a `withdrawMerge` signal. */
export function readWithdrawMerge(payload: unknown): Required<WithdrawMerge> | string {
  const p = record(payload);
  if (p === undefined || !name(p['item']) || !name(p['sha'])) return 'not a withdrawal';
  return {
    item: p['item'],
    sha: p['sha'],
    workflowId: name(p['workflowId']) ? p['workflowId'] : beadWorkflowId(p['item']),
  };
}

/** Reads a `beadReport` signal. */
export function readBeadReport(payload: unknown): Decided<BeadReport> | string {
  const p = record(payload);
  if (p === undefined || !name(p['bead'])) return 'not the report of a bead';
  const status = beadStatuses.find((known) => known === p['status']);
  if (status === undefined) return 'the report of a bead without its status';
  const merged = p['merged'] === true;
  if (merged && shaProblem(p['sha']) !== undefined) return 'the report of a merge without its commit';
  return {
    bead: p['bead'],
    status,
    reason: clip(typeof p['reason'] === 'string' ? p['reason'] : '', 500),
    merged,
    sha: typeof p['sha'] === 'string' && shaProblem(p['sha']) === undefined ? p['sha'] : undefined,
  };
}
