import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { approversFile, approversHere } from '../../activities/refinery/approvers.js';
import { readSigning, signingFile } from '../../activities/refinery/signing.js';
import { counted, durationText } from '../../domain/words.js';
import { errorMessage } from '../../edge/errors.js';
import { fileProblem } from '../../edge/file-problem.js';
import { defaultDiskFloor } from '../../host/disk-space.js';
import { gitVersionProblem, lfsProgram, oldestGit, readMirrorNews } from '../../git/index.js';
import { forOthers } from '../../host/state-directory.js';
import { processAlive } from '../../runner/processes/process.js';
import { readHooks, settingsPath } from '../../notify/index.js';
import { readWorkerState } from '../../worker/state-file.js';
import { attemptsHere, setAsideCommand } from '../operators/attempts-here.js';
import { fail, ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

/** `package.json` says the same. */
const oldestNode = [20, 19] as const;

const older = ([major = 0, minor = 0]: number[], [wantMajor, wantMinor]: readonly [number, number]): boolean =>
  major < wantMajor || (major === wantMajor && minor < wantMinor);

export function checkNode(version = process.versions.node): DoctorCheck {
  return older(version.split('.').map(Number), oldestNode)
    ? fail('node', `Node.js ${version}`, `install Node.js ${oldestNode.join('.')} or newer`)
    : ok('node', `Node.js ${version}`);
}

export async function checkGit(env: NodeJS.ProcessEnv): Promise<DoctorCheck> {
  const { failed, stdout } = await execa('git', ['--version'], {
    reject: false,
    stdin: 'ignore',
    timeout: 10_000,
    env,
  });
  const version = /(\d+)\.(\d+)[.\d]*/.exec(stdout);
  if (failed || version === null) return fail('git', 'git does not run', 'install git and put it on PATH');
  const problem = gitVersionProblem(version[0]);
  return problem === undefined
    ? ok('git', `git ${version[0]}`)
    : warn('git', `git ${version[0]}`, `install git ${oldestGit} or newer: ${problem}`);
}

/** Only repositories with files in Git LFS need it; they are not asked here. */
export async function checkLfs(): Promise<DoctorCheck> {
  const name = 'git-lfs';
  const program = await lfsProgram();
  if (program === undefined)
    return ok(name, 'not here; attempts on repositories with files in Git LFS would end at their push');
  return ok(
    name,
    `${program.version}, ` +
      (program.smudges ? 'trees begin with the contents' : 'trees begin with the pointers, as this user has set it'),
  );
}

/** Whether this host merges only what somebody has signed, and whether its file that says so can be used. */
export function checkApprovers(home: string): DoctorCheck {
  const name = 'approvers';
  try {
    const keys = approversHere(home);
    return ok(
      name,
      keys.length === 0
        ? `no ${approversFile} here: each rig says whose approval it wants`
        : `what one of ${counted(keys.length, 'key')} has signed is merged here, and nothing else`,
    );
  } catch (error) {
    return fail(name, (error as Error).message, 'correct the file: until then nothing is merged on this host');
  }
}

/** A file of `signing.json` that cannot be used holds every merge of this host up. */
export function checkSigning(home: string): DoctorCheck {
  const name = 'signing';
  try {
    const found = readSigning(home);
    if (found === undefined) return ok(name, `no ${signingFile} here: merges are not signed`);
    const rigs = Object.keys(found.rigs ?? {});
    return ok(
      name,
      `merges are ${found.usual === undefined ? 'not signed' : `signed (${found.usual.format})`}` +
        (rigs.length === 0 ? '' : `; it is different for ${rigs.join(', ')}`),
    );
  } catch (error) {
    return fail(name, errorMessage(error), 'until then nothing is merged on this host (docs/operators.md)');
  }
}

/** Hooks that cannot be read tell nobody that they do not. */
export async function checkNotifications(home: string, env: NodeJS.ProcessEnv): Promise<DoctorCheck> {
  const name = 'notifications';
  try {
    const hooks = await readHooks(settingsPath(home, env));
    return ok(
      name,
      hooks === undefined ? 'no hooks here' : `${counted(hooks.length, 'hook')}; \`heartbead notify test\` tries`,
    );
  } catch (error) {
    return fail(name, errorMessage(error), 'mend the file; docs/operators.md shows one');
  }
}

const day = 24 * 60 * 60_000;

/** What somebody has changed in the mirrors, and what Heartbead could not do there, in the last seven days. */
export async function checkMirrors(home: string, now = Date.now()): Promise<DoctorCheck> {
  const name = 'mirrors';
  const news = (await readMirrorNews(join(home, 'mirrors'))).filter(({ at }) => now - at < 7 * day);
  const last = news.at(-1);
  if (last === undefined) return ok(name, 'nothing was found in them in the last seven days that is not ours');
  return warn(
    name,
    `${news.length} ${news.length === 1 ? 'finding' : 'findings'} in the last seven days; the newest, of ` +
      `${new Date(last.at).toISOString()} in mirrors/${last.mirror}: ${last.what}`,
    `all of them are in ${join(home, 'mirrors')}/*.news; look which agents were at work then (\`heartbead ls --all\`)`,
  );
}

/** The state directory must take files, and the disk must have room: a worker hands out no place below its floor. */
export async function checkStateDirectory(home: string): Promise<DoctorCheck> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    const probe = join(home, `.doctor-${randomBytes(4).toString('hex')}`);
    await writeFile(probe, 'x');
    await rm(probe);
  } catch (error) {
    const problem = fileProblem(error);
    return fail(
      'state directory',
      `${home} cannot be written: ${problem?.message ?? errorMessage(error)}`,
      problem?.next ?? 'set HEARTBEAD_HOME to a directory of your own',
    );
  }
  if (((await stat(home)).mode & forOthers) !== 0)
    return warn(
      'state directory',
      `${home} can be entered by other users: prompts, credentials and work are in it`,
      `chmod 700 ${home} (as its owner), or set HEARTBEAD_HOME to a directory of your own`,
    );
  const { bavail, bsize } = await statfs(home);
  const free = Math.floor((bavail * bsize) / 1024 / 1024);
  const floor = defaultDiskFloor / 1024 / 1024;
  const text = `${home}, ${free.toLocaleString('en-US')} MiB free`;
  if (free < floor) return fail('state directory', text, `free some space: below ${floor} MiB no agent is started`);
  return free < 4 * floor
    ? warn('state directory', text, 'free some space soon: every attempt needs room for a work tree')
    : ok('state directory', text);
}

/**
 * Attempts whose runner died without a result. A worker of this state directory ends what is left of them within
 * seconds.
 */
export async function checkLeftovers(home: string, workerUp: boolean): Promise<DoctorCheck> {
  const name = 'leftovers';
  const { kinds } = await attemptsHere(home);
  const dead = kinds.filter(({ found }) => found.kind === 'dead').map(({ dir }) => `${dir.bead} ${dir.attempt}`);
  const running = kinds.filter(({ found }) => found.kind === 'running').length;
  if (dead.length === 0) return ok(name, `none; ${running} ${running === 1 ? 'attempt runs' : 'attempts run'} here`);
  const text =
    `${dead.length} ${dead.length === 1 ? 'attempt has' : 'attempts have'} a dead runner and no result: ` +
    `${dead.slice(0, 5).join(', ')}${dead.length > 5 ? ', …' : ''}`;
  return warn(
    name,
    text,
    workerUp
      ? 'the worker saves their work and reports them; run this again in a minute'
      : 'start the worker with `heartbead up`: it saves their work and reports them',
  );
}

/**
 * Folders of attempts that cannot be read, and things between them that are none. The worker passes them over; a person
 * may want what is in them.
 */
export async function checkAttemptFolders(home: string): Promise<DoctorCheck> {
  const name = 'attempts';
  const { kinds, strange } = await attemptsHere(home);
  const damaged = kinds.flatMap(({ dir, found }) => (found.kind === 'damaged' ? [{ dir, found }] : []));
  if (damaged.length + strange.length === 0)
    return ok(name, `${kinds.length} in ${join(home, 'attempts')}, all readable`);
  const [first] = damaged;
  if (first !== undefined)
    return warn(
      name,
      `${first.found.problem}${
        damaged.length > 1
          ? `; and ${damaged.length - 1} more of ${kinds.length}: ${damaged
              .slice(1, 6)
              .map(({ dir }) => dir.path)
              .join(', ')}`
          : ''
      }`,
      `nobody goes on with ${damaged.length === 1 ? 'this attempt' : 'these attempts'}; look for work of ` +
        `${damaged.length === 1 ? 'its' : 'their'} own in ${first.dir.worktree}, then ` +
        `\`${setAsideCommand(home, first.dir.path)}\``,
    );
  return warn(
    name,
    `not the folder of an attempt: ${strange.slice(0, 5).join(', ')}${strange.length > 5 ? ', …' : ''}`,
    `Heartbead passes it over; \`${setAsideCommand(home, strange[0] as string)}\` puts it out of the way`,
  );
}

/**
 * Wrong clocks make every deadline a lie. @param instants stamped by the server, none of which can lie in the future.
 */
export function checkClock(instants: number[], now = Date.now()): DoctorCheck {
  const name = 'clock';
  const next = 'set the clock of this host (and of the server) by NTP';
  if (now < Date.UTC(2025, 0, 1))
    return fail(name, `this host believes that it is ${new Date(now).toISOString()}`, next);
  const ahead = Math.max(0, ...instants.map((at) => at - now));
  // Half a minute is what `giveUpAfter` has in hand over `leaseFor`.
  if (ahead > 30_000) return fail(name, `the server's clock is ${durationText(ahead)} ahead of this host's`, next);
  return ahead > 5_000
    ? warn(name, `the server's clock is ${durationText(ahead)} ahead of this host's`, next)
    : ok(name, `${new Date(now).toISOString()}${instants.length > 0 ? ", not behind the server's" : ''}`);
}

/** Whether this host's worker serves metrics, and whether they can be read. */
export async function checkMetrics(home: string): Promise<DoctorCheck> {
  const name = 'metrics';
  const worker = await readWorkerState(home);
  if (worker === undefined || !processAlive(worker.pid, worker.startTime))
    return ok(name, 'no worker runs here that could serve any');
  if (worker.metricsPort === undefined)
    return ok(name, 'none are served: `heartbead up --metrics-port 9464` serves them for Prometheus');
  const address = `port ${worker.metricsPort}`;
  try {
    const answer = await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`, {
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    return answer.ok && /^heartbead_town_up(?:\{.*\})? 1$/m.test(text)
      ? ok(name, `served at ${address}: ${series} series`)
      : warn(
          name,
          `served at ${address}, but without figures of the town`,
          `read them with \`curl http://127.0.0.1:${worker.metricsPort}/metrics\`, and the worker's log`,
        );
  } catch (error) {
    return warn(
      name,
      `not readable at ${address}: ${(error as Error).message}`,
      'where --metrics-host names another address, ask there; else read the log of the worker',
    );
  }
}
