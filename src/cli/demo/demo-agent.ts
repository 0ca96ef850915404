/**
 * The demo agent's program: a coding agent without a model. It works through a script of steps in its worktree,
 * commits, talks to its runner by the agent socket, goes on where commits of an earlier attempt end, and misbehaves
 * where the script says so.
 * @module
 */
import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { agentEnvironment } from '../../contract/index.js';
import { errorMessage } from '../../edge/errors.js';
import { AgentSocketClient, AgentSocketError } from '../../runner/sockets/agent-socket-client.js';
import { demoScriptVariable } from '../../agents/demo.js';
import type { DemoLine } from '../../agents/demo.js';
import { demoOptions } from '../../agents/demo-options.js';
import { seeded } from '../../agents/seeded.js';

const script = demoOptions.parse(JSON.parse(process.env[demoScriptVariable] ?? '{}'));
const { [agentEnvironment.bead]: bead, [agentEnvironment.attempt]: attempt } = process.env;
if (bead === undefined || attempt === undefined) {
  // It commits to where it stands, which is nobody's wish who starts it by hand.
  process.stderr.write('the demo agent is started by a runner only; run `heartbead sling --agent demo`\n');
  process.exit(2);
}
const misbehaves = Number.parseInt(attempt, 10) <= script.misbehaveAttempts;
const runner =
  process.env[agentEnvironment.socket] === undefined ? undefined : AgentSocketClient.fromEnvironment(process.env);

const say = (line: DemoLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const text = (words: string): void => say({ type: 'text', text: words });

/** Messages are looked for that often while the agent has nothing else to do. */
const lookEveryMs = 250;

const exec = promisify(execFile);
async function git(...args: string[]): Promise<string> {
  const identity = {
    GIT_AUTHOR_NAME: 'Demo agent',
    GIT_AUTHOR_EMAIL: 'demo@localhost',
    GIT_COMMITTER_NAME: 'Demo agent',
    GIT_COMMITTER_EMAIL: 'demo@localhost',
  };
  return (await exec('git', args, { env: { ...process.env, ...identity }, maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
}

const subjects = ['parser', 'scheduler', 'cache', 'index', 'session', 'queue', 'writer', 'lock', 'codec', 'router'];
const deeds = [
  'bounds its memory',
  'closes what it opens',
  'answers in order',
  'survives a restart',
  'names its errors',
  'counts what it drops',
];
const folder = join('demo', bead);
const commitsUpTo = (step: number): number => Math.floor((step * script.commits) / script.steps);

async function writeStep(step: number): Promise<string> {
  const random = seeded(script.seed * 10_007 + step);
  const pick = (words: string[]): string => words[Math.floor(random() * words.length)] as string;
  const lines = Array.from({ length: 3 + Math.floor(random() * 5) }, () => `- the ${pick(subjects)} ${pick(deeds)}`);
  const file = join(folder, `step-${String(step).padStart(3, '0')}.md`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `# Step ${step} of ${bead}\n\n${lines.join('\n')}\n`);
  return file;
}

const signature = 'Last touched by: ';

async function signShared(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `# Shared by all beads\n\n${signature}${bead}\n`);
  await git('add', '--', file);
}

/**
 * Brings finished work up to date with its target, as a rework asks for it: a conflict in the shared file keeps the
 * names of both sides.
 */
async function mergeTarget(branch: string): Promise<void> {
  // Its runner has fetched it; a sandbox may have neither the repository nor the keys to it.
  try {
    await git('merge', '--quiet', '--no-edit', `origin/${branch}`);
    return;
  } catch (error) {
    const paths = (await git('diff', '--name-only', '--diff-filter=U')).split('\n').filter((path) => path !== '');
    if (script.shared === undefined || paths.length !== 1 || paths[0] !== script.shared) throw error;
  }
  const names = [...(await readFile(script.shared, 'utf8')).matchAll(/^Last touched by: (.+)$/gm)].map(
    ([, name]) => name,
  );
  await writeFile(script.shared, `# Shared by all beads\n\n${signature}${names.join(' and ')}\n`);
  await git('add', '--', script.shared);
  await git('commit', '--quiet', '--no-edit');
  say({ type: 'tool', name: 'merge', text: `conflict in ${script.shared} resolved: both are named` });
}

async function leaveUncommitted(): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'forgotten.md'), 'This was not committed.\n');
}

async function commit(step: number): Promise<void> {
  await git('add', '--', folder);
  const subject = `demo: ${bead}, up to step ${step} of ${script.steps}`;
  await git('commit', '--quiet', '--message', subject, '--message', `Demo-Bead: ${bead}\nDemo-Step: ${step}`);
  say({ type: 'tool', name: 'commit', text: subject });
}

/** @returns the last step that an earlier attempt has committed. */
async function committedUpTo(): Promise<number> {
  const log = await git(
    'log',
    '-n',
    '500',
    '--format=%(trailers:key=Demo-Bead,valueonly,separator=)|%(trailers:key=Demo-Step,valueonly,separator=)',
  );
  const steps = log.split('\n').flatMap((line) => {
    const [of, step] = line.split('|');
    return of === bead && step !== undefined && /^\d+$/.test(step) ? [Number(step)] : [];
  });
  return Math.min(Math.max(0, ...steps), script.steps);
}

/** Reads what came in, acts on it by saying so, and acknowledges it. @returns how many messages there were. */
async function readMessages(): Promise<number> {
  const messages = (await runner?.messages()) ?? [];
  for (const message of messages) text(`message from ${message.from}: ${message.text}`);
  if (messages.length > 0) await runner?.acknowledge(messages.map(({ id }) => id));
  return messages.length;
}

async function fallSilent(): Promise<void> {
  const until = performance.now() + script.silenceMs;
  while (performance.now() < until) {
    if (script.wakeOnMessage && (await readMessages()) > 0) return;
    await sleep(Math.min(lookEveryMs, Math.max(0, until - performance.now())));
  }
}

/** What the script wants to go wrong at the beginning of a step. @returns the status to end with, if it is to end. */
async function trouble(step: number): Promise<number | undefined> {
  if (script.rateLimitAtStep === step) {
    say({
      type: 'rate_limited',
      text: 'the provider answers 429: too many requests',
      retryAfterMs: script.retryAfterMs,
    });
    return 1;
  }
  if (script.askForHelpAtStep === step) {
    await runner?.escalate(`step ${step} needs a decision that I must not take`);
    return 0;
  }
  if (script.crashAtStep === step) {
    await writeStep(step);
    process.stderr.write(`demo agent: crashes at step ${step}, as its script says\n`);
    return script.crashExitCode;
  }
  return undefined;
}

async function work(step: number): Promise<void> {
  const pieces = script.chatter + 1;
  for (let line = 1; line <= script.chatter; line++) {
    await sleep(script.stepMs / pieces);
    text(`step ${step} of ${script.steps}: thinking (${line})`);
  }
  await sleep(script.stepMs / pieces);
  if (script.commits === 0) return;
  const file = await writeStep(step);
  if (script.shared !== undefined && commitsUpTo(step - 1) === 0 && commitsUpTo(step) > 0)
    await signShared(script.shared);
  if (script.chatter > 0) say({ type: 'tool', name: 'write', text: file });
  if (commitsUpTo(step) > commitsUpTo(step - 1)) await commit(step);
}

async function reportDone(): Promise<number> {
  if (misbehaves && script.dirtyDone) await leaveUncommitted();
  else if ((await git('status', '--porcelain', '--', folder)) !== '') await commit(script.steps);
  const summary = `all ${script.steps} steps of ${bead} are done`;
  try {
    await runner?.done(summary);
  } catch (error) {
    if (!(error instanceof AgentSocketError) || error.status !== 409) throw error;
    text(`refused: ${error.message}`);
    await commit(script.steps);
    await runner?.done(summary);
  }
  say({ type: 'end', ok: true, text: summary });
  await sleep(script.lingerMs);
  return 0;
}

async function main(): Promise<number> {
  // The prompt comes on stdin; a program that never reads it would leave its writer waiting.
  process.stdin.resume();
  if (misbehaves && script.ignoreSigterm) process.on('SIGTERM', () => text('SIGTERM is ignored'));
  await sleep(script.slowStartMs);
  say({ type: 'session', id: `demo-${attempt}` });
  if (misbehaves && script.authFails) {
    say({ type: 'auth_failed', text: 'the provider answers 401: no valid key' });
    return 1;
  }
  if (misbehaves && script.leaveDaemon) spawn('sleep', ['86400'], { detached: true, stdio: 'ignore' }).unref();
  const begin = await committedUpTo();
  text(begin === 0 ? `begins with ${script.steps} steps` : `goes on after step ${begin} of ${script.steps}`);
  if (begin === script.steps && script.mergeFrom !== undefined) await mergeTarget(script.mergeFrom);
  await runner?.heartbeat(begin === 0 ? 'begins' : `goes on after step ${begin}`);
  for (let step = begin + 1; step <= script.steps; step++) {
    const status = misbehaves ? await trouble(step) : undefined;
    if (status !== undefined) return status;
    await work(step);
    await readMessages();
    if (misbehaves && script.silenceAfterStep === step) await fallSilent();
  }
  await runner?.note(`${script.commits} commits in ${folder}`);
  if (misbehaves && (script.exitWithoutReport || script.dirtyExit)) {
    if (script.dirtyExit) await leaveUncommitted();
    return 0;
  }
  return reportDone();
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo agent: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}
process.stdin.destroy();
