import { agentEnvironment, clip, failureTypes } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import { borrowedBy } from '../../git/index.js';
import type { AttemptDir, PortBlock } from '../../runner/index.js';
import { endProcesses } from '../../runner/processes/end-processes.js';
import { failure } from '../failures.js';
import { CheckLog } from '../refinery/check-log.js';
import { LogTail } from '../refinery/log-tail.js';
import { runCheck } from '../refinery/run-check.js';
import { CopyError, copyFiles } from '../workspace-files.js';

/** From SIGTERM to SIGKILL, for the steps of a worker that was killed; milliseconds. */
const endGrace = 5_000;

export interface ReadyOptions {
  input: StartAgentInput;
  dir: AttemptDir;
  /** Which the steps see as the agent will. */
  ports?: PortBlock | undefined;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  say: (text: string) => void;
  warn: (text: string, error: unknown) => void;
}

/**
 * Makes a fresh worktree ready as the rig says: copied files first, then the set-up steps one after the other, each
 * with all its processes ended when it is over. Their output is in the attempt's `setup.log`.
 * @throws ApplicationFailure `SetupFailed`, with the last lines of the step that failed; the signal's reason.
 */
export async function readyWorkspace({ input, dir, ports, env, signal, say, warn }: ReadyOptions): Promise<void> {
  const { copy = [], setup = [] } = input.workspace ?? {};
  try {
    await copyFiles(copy, { tree: dir.worktree, ignored: true, signal });
  } catch (error) {
    throw error instanceof CopyError ? failure(failureTypes.setupFailed, error.message) : error;
  }
  if (setup.length === 0) return;
  const borrowed = await borrowedBy(dir.worktree);
  const log = await CheckLog.open(dir.setupLog, (error) => warn('the log of the set-up cannot be written', error));
  try {
    for (const step of setup) {
      say(`set-up: ${clip(step.command, 100)}`);
      log.say(step.command);
      const tail = new LogTail();
      const { ok, how } = await runCheck({
        check: { name: 'set-up', ...step },
        tree: dir.worktree,
        borrowed,
        env,
        home: dir.home,
        rig: input.rig,
        cell: input.agent.cell,
        rooms: dir.rooms,
        names: input.agent.env,
        ports,
        mark: { variable: agentEnvironment.attempt, value: input.attempt },
        signal,
        onLines: (lines) => {
          tail.push(lines);
          return log.write(lines);
        },
        drained: (then) => log.drained(then),
      });
      log.say(how);
      if (!ok)
        throw failure(
          failureTypes.setupFailed,
          `the set-up step \`${clip(step.command, 200)}\` ${how}; its last output: ${lastWords(tail.text())}`,
        );
    }
  } finally {
    await log.close();
  }
}

/** Ends what set-up steps of a worker that was killed still do: their tree is about to be made anew. */
export async function endSetup({ attempt, workspace }: StartAgentInput): Promise<void> {
  if ((workspace?.setup?.length ?? 0) > 0) await endProcesses({ attempt, graceMs: endGrace });
}

const lastWords = (text: string): string => {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? '(nothing)' : clip(lines.slice(-5).join(' | '), 1_000);
};
