/**
 * A lock between processes, made of one file. Plain JavaScript, since `scripts/build.mjs` needs it before anything is
 * compiled.
 * @module
 */
import { mkdirSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The holder touches its lock this often, so that a holder on another machine (a shared home folder) can be judged too.
 */
const touchEveryMs = 5_000;
/**
 * A lock not touched for so long has no holder any more, even if its process id is in use again; twelve missed touches.
 */
const abandonedAfterMs = 60_000;
const lookEveryMs = 200;

/**
 * Runs the action while holding the lock at `path`; waits until another holder has finished. A lock whose holder is
 * dead is taken over.
 * @template T
 * @param {string} path the lock's file; its folder is made when missing.
 * @param {() => Promise<T>} action
 * @param {{ onWait?: (holder: { pid: number, host: string }) => void, signal?: AbortSignal }} [options] `onWait` is
 * called once, when somebody else holds it.
 * @returns {Promise<T>} what the action returned.
 */
export async function withFileLock(path, action, { onWait, signal } = {}) {
  const me = { pid: process.pid, host: hostname() };
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryTake(path, me)) {
    const holder = readHolder(path);
    if (holder !== undefined && isAbandoned(path, holder)) {
      breakLock(path, me);
      continue;
    }
    if (!told && holder !== undefined) {
      told = true;
      onWait?.(holder);
    }
    await sleep(lookEveryMs, undefined, { signal });
  }
  const touch = setInterval(() => ifPresent(() => utimesSync(path, new Date(), new Date())), touchEveryMs);
  touch.unref();
  const release = () => ifPresent(() => unlinkSync(path));
  process.once('exit', release);
  try {
    return await action();
  } finally {
    clearInterval(touch);
    process.removeListener('exit', release);
    release();
  }
}

/** @param {string} path @param {{ pid: number, host: string }} me */
function tryTake(path, me) {
  try {
    writeFileSync(path, JSON.stringify(me), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * @param {string} path @returns {{ pid: number, host: string } | undefined} undefined when it is gone or is being
 * written this moment.
 */
function readHolder(path) {
  try {
    const { pid, host } = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && typeof host === 'string' ? { pid, host } : { pid: 0, host: '' };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    // Empty or cut off: its writer is between creating and writing, or died there. Its age decides.
    if (error instanceof SyntaxError) return { pid: 0, host: '' };
    throw error;
  }
}

/** @param {string} path @param {{ pid: number, host: string }} holder */
function isAbandoned(path, holder) {
  if (holder.host === hostname() && holder.pid > 0 && !isAlive(holder.pid)) return true;
  const age = ageOf(path);
  return age !== undefined && age > abandonedAfterMs;
}

/**
 * Removes an abandoned lock. Two waiters may both find it abandoned, and the slower one must not remove the quicker
 * one's new lock: so only the owner of a second, short-lived file may remove, after it has looked again.
 * @param {string} path @param {{ pid: number, host: string }} me
 */
function breakLock(path, me) {
  const breaker = `${path}.break`;
  if (!tryTake(breaker, me)) {
    if ((ageOf(breaker) ?? 0) > abandonedAfterMs) ifPresent(() => unlinkSync(breaker));
    return;
  }
  try {
    const holder = readHolder(path);
    if (holder !== undefined && isAbandoned(path, holder)) ifPresent(() => unlinkSync(path));
  } finally {
    ifPresent(() => unlinkSync(breaker));
  }
}

/** @param {string} path @returns {number | undefined} milliseconds since it was last touched. */
function ageOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : Date.now() - stat.mtimeMs;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {() => void} act */
function ifPresent(act) {
  try {
    act();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** @param {unknown} error @returns {string | undefined} */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
