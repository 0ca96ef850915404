import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { agentEnvironmentFrom, portVariables } from '../../agents/environment.js';
import type { AgentAdapter, AgentContext, FoundSession } from '../../agents/types.js';
import { launch, packageRooms, roomsOfFolder } from '../../cell/index.js';
import type { CellPlan } from '../../cell/index.js';
import { agentEnvironment } from '../../contract/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import { bothSettled } from '../../git/both-settled.js';
import { borrowedBy } from '../../git/keeper.js';
import { isIdentified } from '../../git/identity.js';
import { AgentProcess } from './agent-process.js';
import type { AgentProcessOptions } from './agent-process.js';
import type { AttemptDir } from '../attempt/attempt-dir.js';
import type { PortBlock } from '../types.js';
import { packageRoot } from '../../package/compiled.js';
import { buildPrompt } from './prompt.js';
import { shimPath, writeShim } from '../../package/agent-shim.js';

export interface LaunchOptions extends Pick<AgentProcessOptions, 'onLine' | 'onTrouble'> {
  dir: AttemptDir;
  input: StartAgentInput;
  /** The conversation of an earlier attempt that goes on in it; found when the workspace was prepared. */
  resumed: FoundSession | undefined;
  /** Whether git knows in its worktree who commits there; absent where nobody has asked yet. */
  identified?: boolean | undefined;
  adapter: AgentAdapter;
  /** Path of the agent's socket. */
  socket: string;
  /** Where its rig has ports to give. */
  ports?: PortBlock | undefined;
  /** How it is run, as its host decided when the attempt began. */
  cell: CellPlan;
  /** Resolves when all its sockets are open: with the one by which it gets out, where the plan lists hosts. */
  gate: Promise<string | undefined>;
  /** The host's environment, with the login that the agent uses. */
  env: NodeJS.ProcessEnv;
  /** Names of the variables that this login is in. */
  loginVariables: readonly string[];
}

/** What starts an agent's program, and goes on with it. */
export interface AgentLauncher {
  start(): AgentProcess;
  /**
   * Makes ready another run of the program, in the conversation that its last run had.
   * @param session the conversation's id.
   * @param text what its agent is told.
   * @returns what starts it, or undefined when the conversation cannot go on.
   */
  answer(session: string, text: string): Promise<(() => AgentProcess) | undefined>;
}

/**
 * All that an agent needs beside its worktree, made ready before the fence, so that nothing slow lies between the fence
 * and the spawn.
 */
export async function readyToLaunch({
  dir,
  input,
  resumed,
  identified,
  adapter,
  socket,
  ports,
  cell,
  gate,
  env: hostEnvironment,
  loginVariables,
  onLine,
  onTrouble,
}: LaunchOptions): Promise<AgentLauncher> {
  const { agent: spec, bead, attempt, number } = input;
  // Side by side: the one waits for git, the other for the disk.
  const [identity] = await bothSettled(missingIdentity(dir.worktree, input, identified), writeShim(dir.shim));
  const borrowed = await borrowedBy(dir.worktree);
  const names = [...(adapter.environment ?? []), ...(spec.env ?? []), ...loginVariables];
  const env = agentEnvironmentFrom(hostEnvironment, names, {
    ...identity,
    [agentEnvironment.bead]: bead,
    [agentEnvironment.attempt]: attempt,
    [agentEnvironment.socket]: socket,
    ...portVariables(ports),
  });
  env['PATH'] = `${dir.shim}${delimiter}${env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`;
  const prompt = buildPrompt(input, { mcp: adapter.mcp === true, resumed: resumed !== undefined });
  await dir.writePrompt(prompt);
  // What is ours stays ours: neither adapter nor settings file may point the agent elsewhere.
  const own = {
    PATH: env['PATH'],
    ...portVariables(ports),
    [agentEnvironment.bead]: bead,
    [agentEnvironment.attempt]: attempt,
    [agentEnvironment.socket]: socket,
  };
  // By the variables of the host: what the adapter sets is about the attempt's own folder.
  const login = adapter.login?.(env);
  const ready = async (
    said: Pick<AgentContext, 'prompt' | 'promptFile'>,
    resume: FoundSession | undefined,
  ): Promise<() => AgentProcess> => {
    const command = await adapter.command({
      spec,
      bead,
      attempt,
      number,
      ...said,
      worktree: dir.worktree,
      folder: dir.path,
      heartbead: shimPath(dir.shim),
      env,
      resume,
    });
    // The sockets are among what lies in its folder.
    const opened = await gate;
    const rooms = roomsOfFolder(dir.path, await readdir(dir.path));
    const walled = launch(cell, {
      command: { file: command.file, args: command.args },
      env: { ...env, ...command.env, ...own },
      worktree: dir.worktree,
      borrowed,
      home: dir.home,
      ...login,
      read: [...packageRooms(packageRoot), ...rooms.read, ...userGit(env), ...(login?.read ?? [])],
      write: [socket, ...rooms.write, ...(login?.write ?? [])],
      rooms: dir.rooms,
      gate: opened,
      begun: `begun ${randomUUID()}`,
    });
    return () =>
      new AgentProcess({
        command: walled,
        stdin: command.stdin,
        cwd: dir.worktree,
        logPath: dir.agentLog,
        onLine,
        onTrouble,
      });
  };
  return {
    start: await ready({ prompt, promptFile: dir.prompt }, resumed),
    answer: async (id, text) => {
      const found = await adapter.findSession?.(
        { id, adapter: adapter.name, attempt, host: 'here' },
        { spec, env, folder: dir.path, scratch: dir.path, worktree: dir.worktree, inPlace: true },
      );
      return found && ready({ prompt: text, promptFile: await dir.writeAnswer(text) }, found);
    },
  };
}

/** Who the user is to git, and what he likes; not his credentials. */
const userGit = ({
  HOME = '',
  XDG_CONFIG_HOME = join(HOME, '.config'),
}: Readonly<Record<string, string>>): string[] => [
  join(HOME, '.gitconfig'),
  ...['config', 'ignore', 'attributes'].map((name) => join(XDG_CONFIG_HOME, 'git', name)),
];

/**
 * A host where nobody has told git who he is would refuse every commit; the bead's name says more than a guess of
 * git's.
 */
async function missingIdentity(
  worktree: string,
  { bead }: StartAgentInput,
  identified: boolean | undefined,
): Promise<Record<string, string>> {
  if (identified ?? (await isIdentified(worktree))) return {};
  const name = `heartbead ${bead}`;
  const email = `${bead}@heartbead.localhost`;
  const own = { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email };
  return Object.fromEntries(Object.entries(own).filter(([variable]) => process.env[variable] === undefined));
}
