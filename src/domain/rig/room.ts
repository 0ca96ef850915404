/** How much may wait for a rig. @module */
import type { MergeRequest, RigState, RigView, GrantRequest } from '../../contract/index.js';
import { utf8Bytes } from '../words.js';

/**
 * A rig carries its state into the next run in one payload, and the server refuses payloads over 2 MiB: a rig that came
 * to hold more could not continue any more. So much is for beads that wait: some 6,900 with ids of ten letters, 3,600
 * with the longest.
 */
const waitingBytes = 768 * 1024;
/** And so much for merges that wait. What is left is for settings, grants and records. */
const queueBytes = 640 * 1024;
/** And so much for what is still to be told: a run with more tells it before it ends. */
const newsBytes = 192 * 1024;
/** And so much for that and all else together; 64 KiB are left. */
const restBytes = 576 * 1024;
/** Bytes of the shortest news as JSON: a `causeGone` with names of one letter has 69. */
const leastNews = 69;
/** So much of what is to be told is shown to whoever looks. */
const shownBytes = 16 * 1024;
/**
 * So many signals are on their way at once. The server fails a workflow task that would bring its workflow to more than
 * 2,000 that have not arrived, and whatever the task had done is done again.
 */
export const tellsAtOnce = 500;
/** Bytes of a request as JSON, besides its names: measured 73. */
const besideNames = 80;
/** Bytes of a queued merge as JSON, besides its texts: measured 190, with a commit of 40 characters. */
const besideTexts = 220;
/** So few are never too many, whatever their names: each of the three has at most 255 characters. */
const alwaysFit = { waiting: 800, queue: 200 };
/** Names are ASCII; of a title each character may have up to three bytes. */
const mostBytesOfLetter = 3;

const jsonBytes = (value: unknown): number => utf8Bytes(JSON.stringify(value));

const requestBytes = ({ bead, workflowId, agent = '' }: GrantRequest): number =>
  besideNames + bead.length + workflowId.length + agent.length;

const mergeBytes = (merge: MergeRequest & { lastReason?: string }): number => {
  const { item, workflowId, branch, target, title, lastReason = '', approval } = merge;
  const names = item.length + workflowId.length + branch.length + target.length;
  const signed = approval === undefined ? 0 : besideNames + approval.signature.length;
  return besideTexts + names + signed + mostBytesOfLetter * (title.length + lastReason.length);
};

/** @returns whether there is no room for one more bead that waits. One that has its place keeps it. */
export function rigIsFull({ waiting, grants }: Pick<RigState, 'waiting' | 'grants'>, request: GrantRequest): boolean {
  if (waiting.length < alwaysFit.waiting) return false;
  let bytes = requestBytes(request);
  for (const other of waiting) bytes += requestBytes(other);
  if (bytes <= waitingBytes) return false;
  const same = ({ bead }: GrantRequest): boolean => bead === request.bead;
  return !waiting.some(same) && !grants.some(same);
}

/**
 * @returns whether there is no room for one more merge that waits. One that has its place, or an older one, keeps it.
 */
export function mergeQueueIsFull({ queue }: Pick<RigState, 'queue'>, request: MergeRequest): boolean {
  if (queue.length < alwaysFit.queue) return false;
  let bytes = mergeBytes(request);
  for (const other of queue) bytes += mergeBytes(other);
  return bytes > queueBytes && !queue.some(({ workflowId }) => workflowId === request.workflowId);
}

/** @returns whether more is to be told than may be on its way at once. */
export const hasMuchToTell = ({ news, grants }: Pick<RigState, 'news' | 'grants'>): boolean =>
  news.length + grants.filter(({ told }) => told !== true).length > tellsAtOnce;

/** @returns how many of these come first, and are no longer than so many bytes as JSON. */
function firstThatFit(news: RigState['news'], room: number): number {
  let bytes = 0;
  const last = news.findIndex((one) => (bytes += jsonBytes(one) + 1) > room);
  return last === -1 ? news.length : last;
}

/**
 * @param weighsAll whether settings, grants and records have weight, too; in runs of earlier builds only news had.
 * @returns whether what is still to be told has room in the payload that the next run begins with.
 */
export function newsToCarry(s: RigState, weighsAll = true): 'fits' | 'too much' {
  // Asked at each turn of a run that is to end: thousands are not weighed one by one.
  if (s.news.length * leastNews > newsBytes) return 'too much';
  const room = weighsAll ? Math.min(newsBytes, restBytes - bytesOfRest(s)) : newsBytes;
  return firstThatFit(s.news, room) < s.news.length ? 'too much' : 'fits';
}

/** The settings stand in the payload twice. */
const bytesOfRest = ({ grants, stops, merging, merged, notMerged, story, settings }: RigState): number =>
  jsonBytes({ grants, stops, merging, merged, notMerged, story }) + 2 * jsonBytes(settings);

/**
 * @returns the answer to whoever looks at a rig: of the news, of which there may be thousands, only the next ones. All
 * else has its bounds, or the rig could not go on in a new run.
 */
export const rigView = (s: RigState, now: number): RigView => ({
  ...s,
  now,
  news: s.news.slice(0, firstThatFit(s.news, shownBytes)),
  untold: s.news.length,
});
