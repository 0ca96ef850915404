/** The story of a bead in sentences, told from its history. Pure: `src/client/history.ts` reads the history. @module */
import { clip, comingSignalNames, rigMessages } from '../../contract/index.js';
import type { HeartbeatKind } from '../../contract/index.js';
import { durationText, shortSha } from '../words.js';

/**
 * What a history says, freed of its protocol. Everything that came in over the wire is `unknown` and read with care.
 */
export type StoryEvent = { at: number } & (
  | { kind: 'began'; input: unknown }
  | { kind: 'renewed' }
  | { kind: 'answered'; activity: string; input: unknown; result: unknown }
  | { kind: 'failed'; activity: string; input: unknown; how: 'failed' | 'timed out' | 'cancelled'; reason: string }
  | { kind: 'asked'; activity: string; input: unknown }
  | { kind: 'signal'; name: string; payload: unknown; by?: string }
  | { kind: 'update'; name: string; payload: unknown; by?: string }
  | { kind: 'told'; name: string; whom: string }
  | { kind: 'shown'; status?: string; agent?: string; attention?: string | null }
  | { kind: 'cancel'; by?: string; reason?: string }
  | { kind: 'stumbled'; reason: string }
  | {
      kind: 'ended';
      how: 'completed' | 'cancelled' | 'failed' | 'terminated' | 'timed out';
      result: unknown;
      reason?: string;
      by?: string;
    }
);

/** One line of the story. */
export interface Sentence {
  at: number;
  text: string;
}

/** Which heartbeats have a sentence of their own (in `signal`); the others are summed up. */
const toldAlone: Record<HeartbeatKind, boolean> = {
  start: true,
  output: false,
  tool: false,
  agent: false,
  adopted: true,
  orphan: true,
  paused: true,
  resumed: true,
};

/**
 * @returns the story, oldest first. Runs of the same small events (signs of progress, stumbles) become one sentence.
 */
export function storyOf(events: readonly StoryEvent[]): Sentence[] {
  const told: Sentence[] = [];
  let run: { key: string; at: number; count: number; last: string; until: number } | undefined;
  const flush = (): void => {
    if (run === undefined) return;
    const { at, count, last, until, key } = run;
    told.push({
      at,
      text:
        count === 1
          ? `${key}${last}`
          : `${key} ${count} times in ${durationText(until - at)}${last === '' ? '' : `, at last${last}`}`,
    });
    run = undefined;
  };
  for (const event of events) {
    const small = smallEvent(event);
    if (small !== undefined) {
      if (run?.key === small.key) run = { ...run, count: run.count + 1, last: small.last, until: event.at };
      else {
        flush();
        run = { key: small.key, at: event.at, count: 1, last: small.last, until: event.at };
      }
      continue;
    }
    const text = sentence(event);
    if (text === undefined) continue;
    flush();
    told.push({ at: event.at, text: clip(text, 500) });
  }
  flush();
  return told;
}

/** Events of which there are many, and one alone tells little. */
function smallEvent(event: StoryEvent): { key: string; last: string } | undefined {
  if (event.kind === 'stumbled') return { key: `a worker could not carry it on: ${event.reason}`, last: '' };
  if (event.kind !== 'signal' || event.name !== 'heartbeat') return undefined;
  const kind = text(event.payload, 'kind') ?? 'output';
  if ((toldAlone as Partial<Record<string, boolean>>)[kind] === true) return undefined;
  const activity = text(event.payload, 'activity');
  return {
    key: `the agent of attempt ${text(event.payload, 'attempt') ?? '?'} got on`,
    last: activity === undefined ? '' : `: ${activity}`,
  };
}

function sentence(event: StoryEvent): string | undefined {
  switch (event.kind) {
    case 'began': {
      const rig = text(event.input, 'rig');
      const convoy = text(event.input, 'convoy');
      return (
        `slung: "${text(event.input, 'title') ?? 'without a title'}" ` +
        `on ${text(event.input, 'repo') ?? 'no repository'}` +
        `${rig === undefined ? '' : `, rig ${rig}`}${convoy === undefined ? '' : `, convoy ${convoy}`}`
      );
    }
    case 'renewed':
      return 'its history was long: it went on in a new run, with all it knew';
    case 'asked':
      return asked(event.activity, event.input);
    case 'answered':
      return answered(event.activity, event.input, event.result);
    case 'failed':
      return failed(event);
    case 'signal':
      return signal(event.name, event.payload, event.by);
    case 'update':
      return update(event.name, event.payload, event.by);
    case 'told':
      return told(event.name, event.whom);
    case 'shown':
      return shown(event);
    case 'cancel':
      return (
        'its cancellation was asked ' +
        `for${by(event.by)}${event.reason === undefined || event.reason === '' ? '' : `: ${event.reason}`}`
      );
    case 'stumbled':
      return undefined;
    case 'ended':
      return ended(event);
  }
}

function asked(activity: string, input: unknown): string | undefined {
  const attempt = text(input, 'attempt') ?? '?';
  switch (activity) {
    case 'startAgent':
      return text(input, 'mode') === 'adopt'
        ? `the host of attempt ${attempt} was asked to adopt it`
        : `attempt ${number(input, 'number') ?? '?'} (${attempt}) was put into the queue of the hosts`;
    case 'stopAttempt':
      return `the host of attempt ${attempt} was told to stop it`;
    case 'verifyWork':
      return `${text(input, 'branch') ?? 'its branch'} was looked for on the remote`;
    default:
      return undefined;
  }
}

function answered(activity: string, input: unknown, result: unknown): string | undefined {
  const attempt = text(input, 'attempt') ?? '?';
  switch (activity) {
    case 'startAgent':
      return (
        `attempt ${attempt}${on(result)} ended ${text(result, 'outcome') ?? '?'}: ` +
        `${text(result, 'reason') ?? 'no reason'}`
      );
    case 'verifyWork': {
      const verdict = text(result, 'verdict');
      return verdict === 'verified'
        ? `the work was found: ${text(result, 'branch') ?? '?'} at ${shortSha(text(result, 'sha') ?? '?')}, ` +
            `${number(result, 'ahead') ?? '?'} ahead`
        : `no evidence (${verdict ?? '?'}): ${text(result, 'reason') ?? 'no reason'}`;
    }
    case 'stopAttempt':
      return `its host said that nothing of attempt ${attempt} is left`;
    case 'deliverMessage':
      return 'its host handed a message to the agent';
    case 'pauseAttempt':
      return `its host ${flag(input, 'paused') === false ? 'let the agent go on' : 'froze the agent'}`;
    default:
      return undefined;
  }
}

function failed({ activity, input, how, reason }: Extract<StoryEvent, { kind: 'failed' }>): string | undefined {
  const attempt = text(input, 'attempt') ?? '?';
  if (activity !== 'startAgent') return how === 'cancelled' ? undefined : `${activity} ${how}: ${reason}`;
  if (how === 'cancelled') return `attempt ${attempt} was called back`;
  if (text(input, 'mode') === 'adopt') return `the adoption of attempt ${attempt} ${how}: ${reason}`;
  return how === 'timed out'
    ? `attempt ${attempt} fell silent (${reason}): nobody gives it up yet`
    : `attempt ${attempt} could not go on: ${reason}`;
}

function signal(name: string, payload: unknown, sender?: string): string | undefined {
  const attempt = text(payload, 'attempt') ?? '?';
  switch (name) {
    case 'accepted':
      return `host ${text(payload, 'host') ?? '?'} took attempt ${attempt} and prepares its workspace`;
    case 'heartbeat':
      switch (text(payload, 'kind')) {
        case 'start':
          return `the agent of attempt ${attempt} was started${on(payload)}`;
        case 'adopted':
          return `attempt ${attempt} was adopted${on(payload)}: its agent had gone on working`;
        case 'orphan':
          return `attempt ${attempt} is alive${on(payload)} and asks to be adopted`;
        case 'paused':
          return `attempt ${attempt} was paused in the Web UI`;
        case 'resumed':
          return `attempt ${attempt} was let go on in the Web UI`;
        default:
          return undefined;
      }
    case 'note':
      return text(payload, 'kind') === 'escalation'
        ? `the agent asks for a person: ${text(payload, 'text') ?? ''}`
        : `the agent notes: ${text(payload, 'text') ?? ''}`;
    case 'granted':
      return (
        'its rig granted an ' +
        `agent${flag(payload, 'probe') === true ? ', to try whether the infrastructure works again' : ''}`
      );
    case 'causeGone':
      return 'its rig says that what had blocked it, and others, is mended';
    case rigMessages.grantRefused:
    case comingSignalNames.slotRefused:
      return `its rig refused an agent: ${text(payload, 'reason') ?? ''}`;
    case 'mergeEnded':
      return mergeEnded(member(payload, 'result'));
    default:
      return `somebody sent the signal ${name}${by(sender)}`;
  }
}

function mergeEnded(result: unknown): string {
  const target = text(result, 'target');
  switch (text(result, 'outcome')) {
    case 'merged':
      return `the refinery merged it into ${target ?? '?'} as ${shortSha(text(result, 'sha') ?? '?')}`;
    case 'conflict':
      return `the refinery met a conflict with ${target ?? '?'}: the agent gets it back`;
    case 'unrelated':
      return text(result, 'lost') === undefined
        ? `the refinery found no commit in common with ${target ?? '?'}: the agent gets it back`
        : `the refinery found that ${target ?? '?'} was rewritten since the work began: the agent gets it back`;
    case 'checks_failed':
      return `the check ${text(result, 'check') ?? '?'} failed on the merged tree: the agent gets it back`;
    case 'changes_requested':
      return `a reviewer has requested changes at ${text(result, 'url') ?? '?'}: the agent gets it back`;
    default:
      return `the refinery could not merge it: ${text(result, 'reason') ?? 'no reason'}`;
  }
}

/** What a retry changes. */
function changed(payload: unknown): string {
  const agent = text((payload as { agent?: unknown } | null | undefined)?.agent, 'adapter');
  const base = text(payload, 'base');
  return `${agent === undefined ? '' : `, with the agent ${agent}`}${base === undefined ? '' : `, from ${base}`}`;
}

function update(name: string, payload: unknown, sender?: string): string {
  switch (name) {
    case 'nudge':
      return `an operator nudged the agent${by(sender)}: ${text(payload, 'text') ?? ''}`;
    case 'retry':
      return (
        `an operator asked for a retry${flag(payload, 'now') === true ? ' at once, giving the silent host up' : ''}` +
        `${changed(payload)}${by(sender)}`
      );
    case 'pause':
      return `an operator paused it${by(sender)}`;
    case 'resume':
      return `an operator let it go on${by(sender)}`;
    case 'approve':
      return `its work was approved by ${text(payload, 'by') ?? sender ?? 'somebody'}`;
    case 'requestChanges':
      return `a reviewer asked for changes${by(text(payload, 'by') ?? sender)}: ${text(payload, 'feedback') ?? ''}`;
    default:
      return `somebody sent the update ${name}${by(sender)}`;
  }
}

function told(name: string, whom: string): string | undefined {
  const rig = whom.replace(/^rig-/, '');
  switch (name) {
    case rigMessages.askGrant:
    case comingSignalNames.askSlot:
      return `it asked rig ${rig} for an agent`;
    case 'enqueueMerge':
      return `its work went into the merge queue of rig ${rig}`;
    case 'withdrawMerge':
      return `rig ${rig} was asked to take it out of the merge queue`;
    default:
      return undefined;
  }
}

/** Only what no other event tells: a person is needed, or the agent fell behind. */
function shown({ status, agent, attention }: Extract<StoryEvent, { kind: 'shown' }>): string | undefined {
  if (status === 'blocked')
    return `it is blocked and waits for a person${attention === 'escalation' ? ': its agent asked for one' : ''}`;
  if (attention === 'approval') return 'it waits for the approval of a person';
  switch (agent) {
    case 'stalled':
      return 'its agent shows no progress and counts as stalled';
    case 'suspect':
      return 'its agent is out of sight';
    case 'paused':
      return 'its agent is frozen, and so are its clocks';
    default:
      return undefined;
  }
}

function ended({ how, result, reason, by: sender }: Extract<StoryEvent, { kind: 'ended' }>): string {
  switch (how) {
    case 'completed':
      return `${text(result, 'status') ?? 'ended'}: ${text(result, 'reason') ?? 'no reason'}`;
    case 'cancelled':
      return 'cancelled: no process of its agent is left';
    case 'failed':
    case 'timed out':
    case 'terminated':
      return (
        `its workflow ${how === 'terminated' ? 'was terminated from outside' : how}${by(sender)}` +
        `${reason === undefined || reason === '' ? '' : `: ${reason}`}`
      );
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
const text = (value: unknown, name: string): string | undefined => {
  const found = member(value, name);
  return typeof found === 'string' && found !== '' ? found : undefined;
};
const number = (value: unknown, name: string): number | undefined => {
  const found = member(value, name);
  return typeof found === 'number' ? found : undefined;
};
const flag = (value: unknown, name: string): boolean | undefined => {
  const found = member(value, name);
  return typeof found === 'boolean' ? found : undefined;
};
const on = (value: unknown): string => {
  const host = text(value, 'host');
  return host === undefined ? '' : ` on host ${host}`;
};
/** Workers and programs have identities too; only a person's is worth naming. */
const by = (identity: string | undefined): string =>
  identity === undefined || identity === '' || identity.startsWith('heartbead@') ? '' : ` (by ${identity})`;
