/**
 * Approvals and changes of approvers that are signed with a key: what is signed, and whether it holds. One rule for the
 * bead, the rig, the refinery and the command line.
 * @module
 */
import type { BeadState, MergeOutcome, MergeRequest, RigState } from '../../contract/index.js';
import { shortSha } from '../words.js';
import { approveCommand, keyMissing } from './needs-key.js';
import { fingerprint, plainKey, signerOf } from './ssh-signature.js';

/** Where names are the same, the namespace of the server tells two towns apart. */
export interface RigPlace {
  namespace: string;
  rig: string;
}

/** @returns what an approver signs: it holds for this commit of this bead on this branch, and for nothing else. */
const approvalText = (
  { namespace, rig }: RigPlace,
  { item, sha, target, found }: Pick<MergeRequest, 'item' | 'sha' | 'target'> & { found?: string | undefined },
): string =>
  [
    'heartbead approval',
    `namespace: ${namespace}`,
    `rig: ${rig}`,
    `bead: ${item}`,
    `target: ${target === '' ? '(default branch)' : target}`,
    `commit: ${sha}`,
    // The work got onto its target without the refinery: whoever approved before has not approved of that.
    ...(found === undefined ? [] : [`found on the target as: ${found}`]),
    '',
  ].join('\n');

/** @returns the branch that a bead asks its rig to land on; empty for the default one. */
export const landsOn = (s: Pick<BeadState, 'landing' | 'base'>): string => s.landing?.target ?? s.base ?? '';

/** @returns what an approver of a bead's work signs now. */
export const beadApprovalText = (s: BeadState, namespace: string): string =>
  approvalText(
    { namespace, rig: s.rig ?? '' },
    { item: s.bead, sha: s.sha ?? '', target: landsOn(s), found: s.landing?.foreignSha },
  );

/**
 * Whose key it is the rig decides, by the keys that it has when the merge begins: the bead knows those of its last
 * grant. @returns what is wrong with the signature of an approval, or undefined.
 */
export function signedApprovalProblem(s: BeadState, signature: unknown, namespace: string): string | undefined {
  if (signature === undefined || signature === null) return keyMissing(s);
  const signer = signerOf(beadApprovalText(s, namespace), signature);
  return 'key' in signer
    ? undefined
    : `the signature does not approve ${s.sha === undefined ? 'this work' : shortSha(s.sha)} of ${s.bead}: ` +
        `${signer.problem}; sign it by ${approveCommand(s)}`;
}

/** @returns the fingerprint of the key by which a signature approves a bead's work, or undefined. */
export function approverOf(s: BeadState, signature: unknown, namespace: string): string | undefined {
  const signer = signerOf(beadApprovalText(s, namespace), signature);
  return 'key' in signer ? fingerprint(signer.key) : undefined;
}

/** @returns whether a plain key is one of these, whatever their comments say. */
export const isOneOf = (key: string, keys: readonly string[]): boolean => keys.some((one) => plainKey(one) === key);

/**
 * @param keys without any, nothing has to be signed.
 * @param whose says in the reason whose keys they are.
 * @returns how the merge of an item ends that none of these keys has approved, or undefined.
 */
export function unapproved(
  keys: readonly string[],
  whose: string,
  place: RigPlace,
  { item, sha, target, approval }: Pick<MergeRequest, 'item' | 'sha' | 'target' | 'approval'>,
): MergeOutcome | undefined {
  if (keys.length === 0) return undefined;
  const signer =
    approval === undefined
      ? { problem: 'there is no signature' }
      : signerOf(approvalText(place, { item, sha, target, found: approval.found }), approval.signature);
  if ('key' in signer && isOneOf(signer.key, keys)) return undefined;
  const why = 'key' in signer ? `its key is ${fingerprint(signer.key)}` : signer.problem;
  return {
    outcome: 'error',
    reason: `${shortSha(sha)} of ${item} is not approved by ${whose}: ${why}`,
    approvers: [...keys],
  };
}

/** @returns what a present approver signs when the approvers of a rig change. The version lets it hold once. */
export const approversText = (
  { namespace, rig }: RigPlace,
  version: number,
  approvers: readonly string[] | undefined,
): string =>
  [
    'heartbead approvers',
    `namespace: ${namespace}`,
    `rig: ${rig}`,
    `settings version: ${version}`,
    ...(approvers ?? []).map((key) => `approver: ${plainKey(key) ?? ''}`),
    '',
  ].join('\n');

/** @returns why the approvers of a rig may not become these, or undefined. */
export function approversChangeProblem(
  { rig, version, settings }: Pick<RigState, 'rig' | 'version' | 'settings'>,
  wanted: readonly string[] | undefined,
  signature: unknown,
  namespace: string,
): string | undefined {
  const present = settings.approvers ?? [];
  const text = approversText({ namespace, rig }, version, wanted);
  if (present.length === 0 || text === approversText({ namespace, rig }, version, present)) return undefined;
  const how = `give \`heartbead rig set ${rig}\` the key of a present approver by --key FILE`;
  if (signature === undefined || signature === null)
    return `the approvers of rig ${rig} are changed by one of them: ${how}`;
  const signer = signerOf(text, signature);
  if (!('key' in signer))
    return `the signature does not hold for this change at settings version ${version}: ${signer.problem}; ${how}`;
  return isOneOf(signer.key, present)
    ? undefined
    : `${fingerprint(signer.key)} is no approver of rig ${rig}, and changes none: ${how}`;
}
