/**
 * Every name that crosses a process border: task queues, workflow ids, signals, queries, updates, search attributes.
 * Names are wire format: renaming one breaks running beads.
 * @module
 */

/** The default main task queue; the others are derived from it, so a test or a second town can have its own set. */
export const DEFAULT_TASK_QUEUE = 'heartbead';

/**
 * The task queues of a town, all derived from its main queue (a workflow reads its own with
 * `workflowInfo().taskQueue`).
 */
export const taskQueues = {
  /** Workflows and short activities. */
  main: (town: string = DEFAULT_TASK_QUEUE): string => town,
  /** `startAgent` of new attempts: as many at once as hosts have free places. */
  agents: (town: string = DEFAULT_TASK_QUEUE): string => `${town}-agents`,
  /** The refinery's merges. */
  merge: (town: string = DEFAULT_TASK_QUEUE): string => `${town}-merge`,
  /** Adoption and the short activities that only the host of an attempt can do. */
  host: (hostId: string, town: string = DEFAULT_TASK_QUEUE): string => `${town}-host-${hostId}`,
};

/**
 * The worker deployment of a town, whose versions are the builds of its workflow code. The server keeps `.` and `:` for
 * itself.
 */
export const deploymentOf = (town: string = DEFAULT_TASK_QUEUE): string =>
  town.replace(/[.:]/g, (mark) => `_${mark.charCodeAt(0)}_`);

/**
 * Signal to beads, rigs and convoys alike: a look at the version of the code. That it has changed they read from the
 * workflow task which the signal brings.
 */
export const versionChanged = 'versionChanged';

/** A worker as the server shows it to everybody who asks who polls. */
export interface WorkerIdentity {
  hostId: string;
  pid: number;
  /** Whether it has keys for encrypted payloads. */
  keyed: boolean;
}

export const workerIdentity = ({ hostId, pid, keyed }: WorkerIdentity): string =>
  `heartbead@${hostId} ${pid}${keyed ? ' keyed' : ''}`;

/** @returns the worker that an identity names; undefined when it is none of ours. */
export function readWorkerIdentity(identity: string): WorkerIdentity | undefined {
  const [, hostId, pid, keyed] = /^heartbead@(\S+) (\d+)( keyed)?$/.exec(identity) ?? [];
  return hostId === undefined || pid === undefined
    ? undefined
    : { hostId, pid: Number(pid), keyed: keyed !== undefined };
}

/** Workflow type names. */
export const workflowTypes = { bead: 'bead', convoy: 'convoy', rig: 'rig' } as const;

/** @returns the workflow id of a bead. */
export const beadWorkflowId = (bead: string): string => `bead-${bead}`;

/** @returns the bead's id, or undefined when the workflow id is not a bead's. */
export const beadOfWorkflowId = (workflowId: string): string | undefined =>
  workflowId.startsWith('bead-') ? workflowId.slice('bead-'.length) : undefined;

/** Messages of the bead workflow. */
export const messages = {
  heartbeat: 'heartbeat',
  /**
   * A host has taken the attempt and prepares it: the bead no longer waits for a place. Not a heartbeat: no agent
   * exists yet.
   */
  accepted: 'accepted',
  note: 'note',
  state: 'state',
  nudge: 'nudge',
  retry: 'retry',
  approve: 'approve',
  requestChanges: 'requestChanges',
  pause: 'pause',
  resume: 'resume',
} as const;

/** Search attributes (all Keyword; SQL visibility has room for ten). */
export const searchAttributes = {
  beadStatus: 'BeadStatus',
  agentStatus: 'AgentStatus',
  rig: 'Rig',
  convoy: 'Convoy',
  attention: 'Attention',
} as const;

/** Variables an agent finds in its environment. */
export const agentEnvironment = {
  bead: 'HEARTBEAD_BEAD',
  /** Also the mark by which processes that left the agent's process group are found and ended. */
  attempt: 'HEARTBEAD_ATTEMPT',
  socket: 'HEARTBEAD_SOCKET',
  /** The first of its ports, and how many there are from it on; where its rig has ports to give. */
  port: 'HEARTBEAD_PORT',
  portCount: 'HEARTBEAD_PORT_COUNT',
} as const;

/** What the names of our refs begin with on a remote, where a rig says nothing else; in a host's mirror always. */
export const usualRefPrefix = 'heartbead';

/** Refs of Heartbead. An old and a new attempt never share one, so a zombie can spoil nothing. */
export interface OwnRefNames {
  /** The branch the agent works on; its runner pushes it when the agent has reported done. */
  branch: (bead: string, attempt: string) => string;
  branchRef: (bead: string, attempt: string) => string;
  /**
   * A commit on top of the finished one, signed by the runner that pushed both in one transaction. Anybody who may push
   * can make the branch; only that runner can make this.
   */
  done: (bead: string, attempt: string) => string;
  /** Work in progress, saved by the runner every `checkpointEvery`; never touches the agent's index or branch. */
  wip: (bead: string, attempt: string) => string;
  /** The refinery's record on the remote: it stands at the merge of commit `sha` of an item. */
  merged: (item: string, sha: string) => string;
}

/** @param prefix the setting of a rig; as usual when absent. */
export const refNames = (prefix: string = usualRefPrefix): OwnRefNames => ({
  branch: (bead, attempt) => `${prefix}/${bead}/${attempt}`,
  branchRef: (bead, attempt) => `refs/heads/${prefix}/${bead}/${attempt}`,
  done: (bead, attempt) => `refs/${prefix}/${bead}/${attempt}/done`,
  wip: (bead, attempt) => `refs/${prefix}/${bead}/${attempt}/wip`,
  merged: (item, sha) => `refs/${prefix}/merged/${item}/${sha}`,
});

/** The refs of an attempt where its rig has no prefix of its own, and in each host's mirror. */
export const attemptRefs = refNames();

/** A ref that Heartbead itself has made on a remote or in a host's mirror, read by its name. */
export type OwnRef =
  /** `finished`: the mirror's own memory of a commit that was reported. `pushed`: what earlier versions remembered. */
  | { kind: 'branch' | 'wip' | 'done' | 'finished' | 'pushed'; bead: string; attempt: string }
  /** The refinery's record: commit `sha` of an item (a bead, or `convoy-<id>`) is merged. */
  | { kind: 'merged'; item: string; sha: string };

function readRefBelow(ref: string, prefix: string): OwnRef | undefined {
  const heads = ref.startsWith(`refs/heads/${prefix}/`);
  const under = heads ? `refs/heads/${prefix}/` : `refs/${prefix}/`;
  if (!ref.startsWith(under)) return undefined;
  const name = ref.slice(under.length);
  const [, bead = '', attempt = '', last] =
    /^([a-z0-9][a-z0-9-]*)\/(\d{1,6}-[a-z0-9]{4,32})(?:\/(wip|done))?$/.exec(name) ?? [];
  if (bead !== '' && heads === (last === undefined))
    return { kind: (last ?? 'branch') as 'branch' | 'wip' | 'done', bead, attempt };
  const [, item, sha] = /^merged\/([\w.-]+)\/([0-9a-f]{40}|[0-9a-f]{64})$/.exec(heads ? '' : name) ?? [];
  return item === undefined || sha === undefined ? undefined : { kind: 'merged', item, sha };
}

/**
 * @param prefixes what the names may begin with there; as usual when absent.
 * @returns what a ref of ours is for, or undefined when it is none of those that an ended bead leaves.
 */
export function readOwnRef(ref: string, prefixes: readonly string[] = [usualRefPrefix]): OwnRef | undefined {
  for (const prefix of prefixes) {
    const own = readRefBelow(ref, prefix);
    if (own !== undefined) return own;
  }
  const [, memory, of, by] =
    /^refs\/heartbead-(finished|pushed)\/([a-z0-9][a-z0-9-]*)\/(\d{1,6}-[a-z0-9]{4,32})$/.exec(ref) ?? [];
  return of === undefined || by === undefined
    ? undefined
    : { kind: memory as 'finished' | 'pushed', bead: of, attempt: by };
}

/** @returns the attempt whose branch or save a ref is, and the prefix that its rig has, whatever that is. */
export function readAttemptRef(ref: string): { prefix: string; attempt: string } | undefined {
  const [, prefix, attempt] =
    /^refs\/(?:heads\/)?(.+)\/[a-z0-9][a-z0-9-]*\/(\d{1,6}-[a-z0-9]{4,32})(?:\/wip)?$/.exec(ref) ?? [];
  return prefix === undefined || attempt === undefined ? undefined : { prefix, attempt };
}

/** An attempt's id begins with its number. */
export const attemptNumber = (attempt: string): number => Number(attempt.split('-')[0]);
