import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Mutex } from 'async-mutex';
import type { Ports } from '../contract/index.js';
import { AttemptDir, inspectAttempt, processAlive, processStartTime } from '../runner/index.js';
import type { PortBlock } from '../runner/index.js';
import { createDurably } from './durable-file.js';

/** Who has a block: an attempt, until it has ended; or checks, as long as the worker lives that runs them. */
export type PortHolder = { bead: string; attempt: string } | { pid: number; startTime: string; tree: string };

interface HeldBlock extends PortBlock {
  holder: PortHolder;
}

/** A host has one folder for all rigs: two of them may name ports that overlap. */
const folderOf = (home: string): string => join(home, 'ports');

/** A host has one worker, whose calls take turns: what one has found free no other takes before it is written down. */
const turns = new Map<string, Mutex>();

/**
 * Gives an attempt, or the checks of a merge, ports that nobody else of this host has as long as it lives. A block is a
 * file in the state directory, so that an adopted attempt keeps its block, whatever becomes of the worker; one whose
 * holder has ended is free again. Who asks again gets the same. A block in which somebody listens already is passed
 * over.
 * @throws Error when there is none left.
 */
export async function takePorts(home: string, wanted: Ports, holder: PortHolder): Promise<PortBlock> {
  const turn = turns.get(home) ?? new Mutex();
  turns.set(home, turn);
  return turn.runExclusive(() => take(home, wanted, holder));
}

/** Gives back what checks had; that of an attempt is free once it has ended. */
export const returnPorts = (home: string, { from }: PortBlock): Promise<void> =>
  rm(join(folderOf(home), String(from)), { force: true });

/** Who holds the ports of the checks that this process runs in a tree. */
export const checksIn = (tree: string): PortHolder => ({
  pid: process.pid,
  startTime: processStartTime(process.pid) ?? 'gone',
  tree,
});

async function take(home: string, { base, count }: Ports, holder: PortHolder): Promise<PortBlock> {
  const folder = folderOf(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const held: HeldBlock[] = [];
  for (const name of await readdir(folder)) {
    const claim = readHeldBlock(await readFile(join(folder, name), 'utf8'));
    const mine = claim !== undefined && same(claim.holder, holder);
    if (mine && claim.from >= base && claim.count === count) return { from: claim.from, count };
    if (claim === undefined || mine || (await hasEnded(home, claim.holder)))
      await rm(join(folder, name), { force: true });
    else held.push(claim);
  }
  for (let from = base; from + count <= 65_536; from += count) {
    if (held.some((other) => from < other.from + other.count && other.from < from + count)) continue;
    if (!(await free(from, count))) continue;
    const text = JSON.stringify({ from, count, holder } satisfies HeldBlock);
    if (await createDurably(join(folder, String(from)), text)) return { from, count };
  }
  throw new Error(
    `there is no block of ${count} free ports from ${base} on: give the rig another \`--port-base\`, or end ` +
      'what listens there',
  );
}

/** One that a full disk has cut off is none. */
function readHeldBlock(text: string): HeldBlock | undefined {
  try {
    const claim = JSON.parse(text) as Partial<HeldBlock>;
    return Number.isInteger(claim.from) && Number.isInteger(claim.count) && typeof claim.holder === 'object'
      ? (claim as HeldBlock)
      : undefined;
  } catch {
    return undefined;
  }
}

const same = (a: PortHolder, b: PortHolder): boolean =>
  'attempt' in a
    ? 'attempt' in b && a.attempt === b.attempt && a.bead === b.bead
    : !('attempt' in b) && a.pid === b.pid && a.startTime === b.startTime && a.tree === b.tree;

async function hasEnded(home: string, holder: PortHolder): Promise<boolean> {
  if (!('attempt' in holder)) return !processAlive(holder.pid, holder.startTime);
  const { kind } = await inspectAttempt(AttemptDir.of(home, holder.bead, holder.attempt));
  return kind === 'ended' || kind === 'missing';
}

async function free(from: number, count: number): Promise<boolean> {
  for (let port = from; port < from + count; port += 1) if (!(await mayListen(port))) return false;
  return true;
}

const mayListen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
