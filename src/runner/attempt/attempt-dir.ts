import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { attemptIdProblem, beadIdProblem, outcomes, plainLine, readClocks } from '../../contract/index.js';
import type { AttemptResult, Outcome, StartAgentInput } from '../../contract/index.js';
import { leadsNowhere } from '../../edge/errors.js';
import { removeTree } from '../../edge/remove-tree.js';
import type { AgentReport, AttemptSetup, RunnerConnection, RunnerRecord } from '../types.js';

/** A file of an attempt is not what its writer wrote: a power cut, a full disk of an older version, a person's hand. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError';
  constructor(
    readonly file: string,
    why: string,
    options?: ErrorOptions,
  ) {
    super(`${file} is damaged (${why})`, options);
  }
}

type Fields = Record<string, unknown>;
const isText = (value: unknown): boolean => typeof value === 'string';
/** What a file must have for anybody to go on with it. The rest was checked when it was written, by this program. */
const wholeFiles = {
  'input.json': ({ bead, attempt, repo, clocks }: Fields) =>
    isText(bead) && isText(attempt) && isText(repo) && typeof clocks === 'object' && clocks !== null,
  'connection.json': ({ address, namespace }: Fields) => isText(address) && isText(namespace),
  'setup.json': ({ host, baseSha, mirror }: Fields) => isText(host) && isText(baseSha) && isText(mirror),
  'runner.json': ({ pid, startTime, state }: Fields) => Number.isInteger(pid) && isText(startTime) && isText(state),
  'result.json': ({ attempt, outcome }: Fields) => isText(attempt) && outcomes.includes(outcome as Outcome),
  'report.json': ({ kind }: Fields) => isText(kind),
};

/** @returns why a name is not that of an attempt's folder, or undefined. */
function nameProblem(name: string): string | undefined {
  const [attempt, bead, more] = name.split('__');
  return more === undefined && attemptIdProblem(attempt) === undefined && beadIdProblem(bead) === undefined
    ? undefined
    : 'not the folder of an attempt (<attempt>__<bead>)';
}

/** What lies in `attempts/` of a state directory. */
export interface AttemptFolders {
  attempts: AttemptDir[];
  /** Paths of what is no folder of an attempt, whoever put it there. */
  strange: string[];
}

/** A working tree that stays after its attempt. */
export interface KeptTree {
  /** In milliseconds. */
  since: number;
  reason: string;
}

/** Of a file that says, after a power cut, what has become of the attempt. */
const lasting = { fsync: true };
/**
 * Of a file that is read by living processes alone. To wait for the disk takes as long as all that git has written into
 * a fresh tree right before.
 */
const volatile = { fsync: false };

/** As a crashing runner writes it; what follows is where it happened. */
const runnerFailure = /^(?:\w*Error\b|the runner failed)/;

/**
 * The folder of one attempt on its host, `<home>/attempts/<attempt>__<bead>`: all that is known of it here. Every file
 * is written atomically and readable by its owner alone, since input, token and connection are nobody else's business.
 */
export class AttemptDir {
  readonly bead: string;
  readonly attempt: string;

  /** @throws Error when the folder's name is not `<attempt>__<bead>`. */
  constructor(readonly path: string) {
    const problem = nameProblem(basename(path));
    if (problem !== undefined) throw new Error(`${path} is ${problem}`);
    [this.attempt, this.bead] = basename(path).split('__') as [string, string];
  }

  /** @returns the attempt's folder in a state directory; it need not exist. */
  static of(home: string, bead: string, attempt: string): AttemptDir {
    return new AttemptDir(join(home, 'attempts', `${attempt}__${bead}`));
  }

  /**
   * @returns the attempts that have a folder in a state directory. What is no folder of an attempt is passed over: one
   * of them must not hide the others.
   */
  static async list(home: string): Promise<AttemptDir[]> {
    return (await AttemptDir.survey(home)).attempts;
  }

  /** @returns everything in the folder of the attempts, in order. */
  static async survey(home: string): Promise<AttemptFolders> {
    const folder = join(home, 'attempts');
    let names: string[];
    try {
      names = await readdir(folder);
    } catch (error) {
      if (leadsNowhere(error)) return { attempts: [], strange: [] };
      throw error;
    }
    const found: AttemptFolders = { attempts: [], strange: [] };
    for (const name of names.sort()) {
      const path = join(folder, name);
      if (nameProblem(name) === undefined) found.attempts.push(new AttemptDir(path));
      else found.strange.push(path);
    }
    return found;
  }

  /** The host's state directory. */
  get home(): string {
    return dirname(dirname(this.path));
  }
  readonly file = (name: string): string => join(this.path, name);
  /**
   * The folder that the agent works in. It bears the names of bead and attempt, since programs name things by the
   * folder they run in (containers, projects, caches), and two attempts must not share those. Attempts of earlier
   * versions have a `worktree`.
   */
  get worktree(): string {
    const earlier = this.file('worktree');
    return existsSync(earlier) ? earlier : this.file(`${this.bead}-${this.attempt}`);
  }
  /** Output of the rig's set-up steps. */
  get setupLog(): string {
    return this.file('setup.log');
  }
  get prompt(): string {
    return this.file('prompt.md');
  }
  get agentLog(): string {
    return this.file('agent.log');
  }
  get runnerLog(): string {
    return this.file('runner.log');
  }
  get lock(): string {
    return this.file('runner.lock');
  }
  /** What the agent has for a home and for temporary files in a sandbox. */
  get rooms(): string {
    return this.file('cell');
  }
  /** What the steps after the attempt have written. */
  get teardownLog(): string {
    return this.file('teardown.log');
  }
  /** Folder with the `heartbead` that an agent finds first on its PATH. */
  get shim(): string {
    return this.file('bin');
  }

  async exists(): Promise<boolean> {
    try {
      return (await stat(this.path)).isDirectory();
    } catch (error) {
      if (leadsNowhere(error)) return false;
      throw error;
    }
  }

  /** Makes the folder, 0700. */
  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  /** Removes the folder and everything in it. The worktree must have been removed with proof of push before. */
  async remove(): Promise<void> {
    await removeTree(this.path);
  }

  /** An earlier build has written some clocks by their former names; its runner may be alive. */
  readInput = async (): Promise<StartAgentInput | undefined> => {
    const input = await this.#readJson<StartAgentInput>('input.json');
    return input && { ...input, clocks: readClocks(input.clocks) };
  };
  writeInput = (input: StartAgentInput): Promise<void> => this.#writeJson('input.json', input);
  /** For an adoption that comes before {@link AttemptDir.writeInput}. */
  writeInputAhead = (input: StartAgentInput): Promise<void> => this.#writeJson('input.json', input, volatile);
  readConnection = (): Promise<RunnerConnection | undefined> => this.#readJson('connection.json');
  writeConnection = (connection: RunnerConnection): Promise<void> =>
    this.#writeJson('connection.json', connection, volatile);
  readSetup = (): Promise<AttemptSetup | undefined> => this.#readJson('setup.json');
  writeSetup = (setup: AttemptSetup): Promise<void> => this.#writeJson('setup.json', setup);
  readRunner = (): Promise<RunnerRecord | undefined> => this.#readJson('runner.json');
  /** Before its agent is known, a power cut leaves nothing that the record would tell of. */
  writeRunner = (record: RunnerRecord): Promise<void> =>
    this.#writeJson('runner.json', record, record.agent === undefined ? volatile : lasting);
  readResult = (): Promise<AttemptResult | undefined> => this.#readJson('result.json');
  writeResult = (result: AttemptResult): Promise<void> => this.#writeJson('result.json', result);
  readReport = (): Promise<AgentReport | undefined> => this.#readJson('report.json');
  writeReport = (report: AgentReport): Promise<void> => this.#writeJson('report.json', report);

  /** @returns the activity's task token; undefined when there is none, or a power cut has emptied its file. */
  async readToken(): Promise<Uint8Array | undefined> {
    const text = await this.#readText('token');
    return text === undefined || text === '' ? undefined : new Uint8Array(Buffer.from(text, 'base64'));
  }

  async writeToken(token: Uint8Array): Promise<void> {
    await this.#write('token', Buffer.from(token).toString('base64'), volatile);
  }

  /**
   * Takes the credentials away: an attempt that has ended reports no more, and each copy of a key is one too many. The
   * agent's own home may have some, too.
   */
  async forgetSecrets(): Promise<void> {
    await Promise.all(['connection.json', 'token', 'cell'].map((name) => removeTree(this.file(name))));
  }

  /** @returns whether the server knew nothing of its bead when the attempt was looked after. */
  forgotten = async (): Promise<boolean> => (await this.#readText('forgotten')) !== undefined;
  async markForgotten(): Promise<void> {
    await this.#write('forgotten', 'the server does not know its bead\n');
  }

  /** @returns whether what the rig wants done after the attempt was done. */
  tornDown = async (): Promise<boolean> => (await this.#readText('torn-down')) !== undefined;
  /** @param what came of it, for a person who wonders. */
  async markTornDown(what: string): Promise<void> {
    await this.#write('torn-down', `${what}\n`);
  }

  /** There while a step after the attempt has failed and nobody has seen to what it was to end. */
  get teardownFailed(): string {
    return this.file('teardown-failed');
  }
  /** @returns which steps after the attempt failed, and how; undefined when none did, or a person has seen to them. */
  failedTeardown = async (): Promise<string | undefined> => (await this.#readText('teardown-failed'))?.trim();
  async markTeardownFailed(how: string): Promise<void> {
    await this.#write('teardown-failed', `${how}\n`);
  }

  /** @returns why its working tree is kept though its bead has gone on, and since when; undefined when it is not. */
  async keptTree(): Promise<KeptTree | undefined> {
    const [since = '', ...reason] = (await this.#readText('tree-kept'))?.split('\n') ?? [];
    const at = Date.parse(since);
    return Number.isNaN(at) || !existsSync(this.worktree) ? undefined : { since: at, reason: reason.join('\n').trim() };
  }
  /** @param reason what the last look at it has found. */
  async markTreeKept(reason: string, now = Date.now()): Promise<void> {
    const before = await this.keptTree();
    if (before?.reason === reason) return;
    await this.#write('tree-kept', `${new Date(before?.since ?? now).toISOString()}\n${reason}\n`, volatile);
  }

  /** @returns whether nothing that this attempt has left is to be looked after any more. */
  tidied = async (): Promise<boolean> => (await this.#readText('tidied')) !== undefined;
  /** @param what was found and done, for a person who wonders. */
  async markTidied(what: string): Promise<void> {
    await this.#write('tidied', `${what}\n`);
  }

  /** @returns the error with which the runner's process ended, or else the last line that it wrote to its stderr. */
  async lastWords(): Promise<string | undefined> {
    const lines = ((await this.#readText('runner.out')) ?? '')
      .split('\n')
      .map(plainLine)
      .filter((line) => line !== '');
    return lines.findLast((line) => runnerFailure.test(line)) ?? lines.at(-1);
  }

  async writePrompt(prompt: string): Promise<void> {
    await this.#write('prompt.md', prompt, volatile);
  }

  /** What an agent that had ended without a report is told. @returns its path. */
  async writeAnswer(text: string): Promise<string> {
    await this.#write('answer.md', text, volatile);
    return this.file('answer.md');
  }

  async #write(name: string, text: string, { fsync }: { fsync: boolean } = lasting): Promise<void> {
    await writeFileAtomic(this.file(name), text, { mode: 0o600, fsync });
  }

  #writeJson(name: string, value: unknown, how = lasting): Promise<void> {
    return this.#write(name, `${JSON.stringify(value, undefined, 2)}\n`, how);
  }

  async #readText(name: string): Promise<string | undefined> {
    try {
      return await readFile(this.file(name), 'utf8');
    } catch (error) {
      if (leadsNowhere(error)) return undefined;
      throw error;
    }
  }

  async #readJson<T>(name: keyof typeof wholeFiles): Promise<T | undefined> {
    const text = await this.#readText(name);
    if (text === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new DamagedFileError(this.file(name), text.trim() === '' ? 'empty' : 'not JSON', { cause: error });
    }
    if (typeof value !== 'object' || value === null || !wholeFiles[name](value as Fields))
      throw new DamagedFileError(this.file(name), 'something is missing in it');
    return value as T;
  }
}
