import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TownConnection } from '../client/connect.js';
import { checkOutput } from '../client/check-log.js';
import { ClientError, FleetNotFoundError, NoWorkerError } from '../client/errors.js';
import { FleetClient } from '../client/fleet.js';
import type { MergeAtWork } from '../client/fleet.js';
import { asClientError } from '../client/as-client-error.js';
import type { BeadView, RigView } from '../contract/index.js';
import { shortSha } from '../domain/words.js';
import { isMissing } from '../edge/errors.js';
import { LineCutter } from './line-cutter.js';

/** How much of the output of the checks is shown, in bytes: its end. */
const tailBytes = 64 * 1024;
const lineChars = 4_000;

export interface ChecksAnswer {
  /** Absent: the bead has no rig, so nothing is checked or merged. */
  rig?: string;
  checks: { name: string; command: string }[];
  strategy?: string;
  /** The merge under way. */
  merging?: MergeAtWork;
  /** How earlier merges ended, newest last. */
  ended: { at: number; text: string; merged: boolean }[];
  /** The end of the output of the checks, from whichever host has it. */
  output?: {
    /** The other host that told it. */
    host?: string;
    path: string;
    lines: { text: string; cut?: number }[];
  };
  /** Why there is none to be read. */
  elsewhere?: string;
}

/** What the refinery did and does with a bead. */
export async function checksAnswer(town: TownConnection, view: BeadView, deadline: number): Promise<ChecksAnswer> {
  const { rig, bead } = view;
  if (rig === undefined) return { checks: [], ended: [] };
  const fleet = new FleetClient(town, deadline);
  const [rigView, merges] = await Promise.all([
    orUndefined(() => fleet.rig(rig)),
    orUndefined(() => fleet.merges(rig)),
  ]);
  const checked = view.landing?.queuedSha !== undefined || view.landing?.mergedSha !== undefined;
  const output = (await outputHere(town, rig, bead)) ?? (checked ? await outputElsewhere(town, view) : undefined);
  const merging = merges?.find(({ item }) => item === bead);
  return {
    rig,
    checks: (rigView?.settings.checks ?? []).map(({ name, command }) => ({ name, command })),
    strategy: rigView?.settings.strategy,
    merging,
    ended: rigView === undefined ? [] : endedOf(rigView, bead),
    ...output,
  };
}

function endedOf({ merged, notMerged }: RigView, bead: string): ChecksAnswer['ended'] {
  return [
    ...merged
      .filter(({ item }) => item === bead)
      .map(({ at, sha, target, strategy }) => ({
        at,
        merged: true,
        text: `merged into ${target === '' ? 'the default branch' : target} (${strategy}) as ${shortSha(sha)}`,
      })),
    ...notMerged
      .filter(({ item }) => item === bead)
      .map(({ at, outcome, reason }) => ({ at, merged: false, text: `${outcome.replace('_', ' ')}: ${reason}` })),
  ].sort((a, b) => a.at - b.at);
}

type Output = Pick<ChecksAnswer, 'output' | 'elsewhere'>;

async function outputHere({ home }: TownConnection, rig: string, bead: string): Promise<Output | undefined> {
  const path = join(home, 'refinery', rig, `${bead}.log`);
  const lines = await tailOf(path);
  return lines && { output: { path, lines } };
}

/** It lies on the host that ran the checks: all that merge are asked. */
async function outputElsewhere(town: TownConnection, view: BeadView): Promise<Output> {
  try {
    const { host, bytes, cut } = await checkOutput(town, view);
    const cutter = new LineCutter();
    const lines = [...cutter.take(bytes), ...cutter.leftover()];
    // The first line of a longer output is only the end of one.
    const path = `refinery/${view.rig ?? ''}/${view.bead}.log`;
    return { output: { host, path, lines: cut ? lines.slice(1) : lines } };
  } catch (error) {
    const found = asClientError(error);
    if (found instanceof ClientError) return { elsewhere: found.message };
    throw error;
  }
}

async function tailOf(path: string): Promise<{ text: string; cut?: number }[] | undefined> {
  try {
    const { size } = await stat(path);
    const file = await open(path);
    try {
      const from = Math.max(size - tailBytes, 0);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      return buffer
        .subarray(0, bytesRead)
        .toString('utf8')
        .split('\n')
        .slice(from > 0 ? 1 : 0)
        .map((text) =>
          text.length > lineChars ? { text: text.slice(0, lineChars), cut: text.length - lineChars } : { text },
        );
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof NoWorkerError || error instanceof FleetNotFoundError) return undefined;
    throw error;
  }
}
