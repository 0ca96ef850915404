import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { agentEnvironment } from '../contract/index.js';
import type { AttemptDir } from './attempt/attempt-dir.js';
import { compiledFile } from '../package/compiled.js';
import type { SpawnOutcome } from './types.js';

/** The word on a runner's standard input upon which it begins; its end without the word is its dismissal. */
export const beginWord = 'begin\n';

/**
 * A runner mostly waits, and a host has many of them: a small nursery for young objects and no helper threads for the
 * collector save it a fifth of its memory (114 MB without, 92 MB with, half of that shared; Node 20, after some seconds
 * of a talking agent).
 */
const lean = ['--max-semi-space-size=1', '--v8-pool-size=0'];

/**
 * A runner's process that loads its program (0.3 s of Node.js) while the workspace is prepared. It has touched nothing
 * yet.
 */
export interface BootedRunner {
  /**
   * Tells it to begin. The folder must hold input, token, connection and setup, and the worktree must be ready.
   *
   * Resolves when the runner has passed the fence (lock, one accepted beat, one accepted `start` signal) and the agent
   * is being spawned, or when it has ended without: then no agent exists.
   */
  begin(): Promise<SpawnOutcome>;
  /** It is not needed: it ends by itself. So it does when this process dies. No effect after {@link begin}. */
  dismiss(): void;
}

/**
 * Boots the runner of an attempt, whose folder must exist: detached, in a session of its own. Once told to begin it is
 * deaf to the worker's end.
 */
export function bootRunner(dir: AttemptDir): BootedRunner {
  const env = { ...process.env };
  // The runner must not carry the mark by which the agent's processes are found and ended (a worker may itself run
  // under an agent).
  for (const name of Object.values(agentEnvironment)) delete env[name];
  const crashLog = dir.file('runner.out');
  const out = openSync(crashLog, 'a', 0o600);
  try {
    const begin = statSync(crashLog).size;
    const child = spawn(process.execPath, [...lean, compiledFile('runner/main.bundle'), dir.path], {
      detached: true,
      cwd: dir.path,
      env,
      stdio: ['pipe', out, out, 'pipe'],
    });
    const answered = answerOf(child.stdio[3] as Readable);
    const failed = new Promise<SpawnOutcome>((resolve) => {
      child.once('error', (error) =>
        resolve({ fenced: false, because: 'failed', refused: `the runner could not be started: ${error.message}` }),
      );
    });
    const over = Promise.race([answered, failed]).finally(() => child.unref());
    // What goes wrong before shows when it is told to begin; nobody asks after one that was dismissed.
    over.catch(() => undefined);
    child.stdin?.on('error', () => undefined);
    return {
      begin: async () => {
        child.stdin?.end(beginWord);
        const outcome = await over;
        if (outcome !== undefined) return outcome;
        const lines = readFileSync(crashLog, 'utf8').slice(begin).trim().split('\n');
        const said = lines.find((line) => /^(?:\w*Error\b|the runner failed)/.test(line)) ?? lines[0];
        return {
          fenced: false,
          because: 'failed',
          refused: `the runner ended before the fence${said ? `: ${said}` : ''}; see ${dir.runnerLog}`,
        };
      },
      dismiss: () => void child.stdin?.end(),
    };
  } finally {
    closeSync(out);
  }
}

/** {@link bootRunner} and `begin` in one, for a folder that is ready. */
export function spawnRunner(dir: AttemptDir): Promise<SpawnOutcome> {
  return bootRunner(dir).begin();
}

/**
 * The runner writes one line of JSON to its fourth descriptor and closes it; its end without a line closes it as well.
 */
async function answerOf(stream: Readable): Promise<SpawnOutcome | undefined> {
  let text = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) text += chunk as string;
  return text === '' ? undefined : (JSON.parse(text) as SpawnOutcome);
}
