import { z } from 'zod';
import { limits } from '../../contract/index.js';
import { beadApprovalText, fingerprint, isOneOf, reviewProblem, signerOf } from '../../domain/index.js';
import { sshSign } from '../../operator/ssh-sign.js';
import type { Context } from '../context.js';
import { CliError, exitCodes } from '../exit.js';
import { oneBead } from '../shared-options.js';
import { argument, option, verb } from '../verb.js';

const feedback = z
  .string()
  .trim()
  .min(1, 'a request for changes needs a text')
  .max(limits.textChars, `it has at most ${limits.textChars} characters`)
  .refine((given) => !given.includes('\0'), 'a request for changes cannot hold a NUL character');

/** Signs what the bead waits for. @throws CliError where nobody could take the signature. */
async function signed(context: Context, id: string, key: string): Promise<string> {
  const [town, beads, fleet] = await Promise.all([context.town(), context.beads(), context.fleet()]);
  const view = await beads.view(id);
  const problem = reviewProblem(view);
  if (problem !== undefined)
    throw new CliError({
      code: exitCodes.refused,
      message: problem,
      next: `heartbead explain ${id} tells what it does`,
    });
  const text = beadApprovalText(view, town.client.options.namespace);
  const signature = await sshSign(key, text);
  const signer = signerOf(text, signature);
  const rig = view.rig ?? '';
  const next = `heartbead rig show ${rig} names its approvers`;
  if ('problem' in signer)
    throw new CliError({
      code: exitCodes.refused,
      message: `the signature of ${key} is of no use: ${signer.problem}`,
      next,
    });
  const { approvers = [] } = (await fleet.rig(rig)).settings;
  if (approvers.length > 0 && !isOneOf(signer.key, approvers))
    throw new CliError({
      code: exitCodes.refused,
      message: `${key} (${fingerprint(signer.key)}) is no approver of rig ${rig}`,
      next,
    });
  return signature;
}

export const approve = verb({
  name: 'approve',
  description: 'let the verified work of a bead be merged',
  arguments: [oneBead],
  options: {
    by: option('--by <name>', 'who approves', z.string().optional()),
    key: option(
      '--key <file>',
      'sign the approval by this ed25519 key of OpenSSH; a public one, when the ssh agent holds it',
      z.string().min(1).optional(),
    ),
  },
  run: async (context, [id], { by, key }) => {
    const beads = await context.beads();
    const signature = key === undefined ? undefined : await signed(context, id, key);
    const text = await beads.approve(id, by, signature);
    context.print({ bead: id, text }, text);
    return exitCodes.fine;
  },
});

export const requestChanges = verb({
  name: 'request-changes',
  description: 'send the work of a bead back with advice, instead of approving it',
  arguments: [oneBead, argument('<text>', 'what is to be changed', feedback)],
  options: { by: option('--by <name>', 'who asks for them', z.string().optional()) },
  run: async (context, [id, advice], { by }) => {
    const text = await (await context.beads()).requestChanges(id, advice, by);
    context.print({ bead: id, text }, text);
    return exitCodes.fine;
  },
});
