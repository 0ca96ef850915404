import type { AttemptDir } from './attempt-dir.js';
import { lockHolder } from './attempt-lock.js';
import type { AttemptInspection } from './types.js';

/** Looks at an attempt's folder: is it unknown here, ended, alive, never started, or dead? */
export async function inspectAttempt(dir: AttemptDir): Promise<AttemptInspection> {
  if ((await dir.readInput()) === undefined) return { kind: 'missing' };
  const result = await dir.readResult();
  if (result !== undefined) return { kind: 'ended', result };
  const holder = await lockHolder(dir.lock);
  const record = await dir.readRunner();
  if (holder !== undefined) {
    // A runner takes its lock before it writes its record: until then the record is that of one before it.
    return {
      kind: 'running',
      record: record?.pid === holder.pid ? record : { ...holder, startedAt: Date.now(), state: 'fencing' },
    };
  }
  return record === undefined || record.state === 'refused' || record.state === 'fencing'
    ? { kind: 'unstarted' }
    : { kind: 'dead', record };
}
