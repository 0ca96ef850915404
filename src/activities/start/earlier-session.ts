import { agentEnvironmentFrom } from '../../agents/index.js';
import type { AgentAdapter, FoundSession } from '../../agents/index.js';
import type { StartAgentInput } from '../../contract/index.js';
import { AttemptDir } from '../../runner/index.js';
import type { ActivityDeps } from '../deps.js';

/**
 * The conversation of an earlier attempt goes on only where its files are. That it cannot be found, or not be moved,
 * costs its memory, never the attempt.
 * @throws the signal's reason.
 */
export async function earlierSession(
  { host, env }: Pick<ActivityDeps, 'host'> & { env: NodeJS.ProcessEnv },
  input: StartAgentInput,
  dir: AttemptDir,
  adapter: AgentAdapter,
  signal: AbortSignal,
): Promise<FoundSession | undefined> {
  const { session, agent } = input;
  if (
    session === undefined ||
    adapter.findSession === undefined ||
    session.host !== host.hostId ||
    session.adapter !== adapter.name
  )
    return undefined;
  try {
    return await adapter.findSession(session, {
      spec: agent,
      env: agentEnvironmentFrom(env, [...(adapter.environment ?? []), ...(agent.env ?? [])], {}),
      folder: AttemptDir.of(host.home, input.bead, session.attempt).path,
      scratch: dir.path,
      worktree: dir.worktree,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    host.logger.warn(
      { err: error, attempt: input.attempt, session },
      'the conversation of an earlier attempt cannot go on; this one begins anew',
    );
    return undefined;
  }
}
