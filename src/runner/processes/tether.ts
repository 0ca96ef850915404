import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { agentEnvironment } from '../../contract/index.js';

/**
 * The shell reads one line. Its end of file instead means that the runner is dead: then everything of the attempt is
 * stopped, first the group, then what carries the mark. `grep -z` reads /proc's NUL-separated environments.
 */
const script = [
  'read -r word && exit 0',
  'kill -s STOP -- "-$1" 2>/dev/null',
  `for file in $(grep -lzx "${agentEnvironment.attempt}=$2" /proc/[0-9]*/environ 2>/dev/null); do`,
  '  pid=${file#/proc/}',
  '  kill -s STOP "${pid%/environ}" 2>/dev/null',
  'done',
].join('\n');

/**
 * Ties the agent to the life of its runner: a runner that dies by SIGKILL can stop nothing any more, and an agent
 * without a runner has no lease. A shell of about one megabyte waits for that, and freezes the agent until the host has
 * reaped the attempt.
 */
export class Tether {
  private constructor(private readonly child: ChildProcess) {}

  static attach(group: { pgid: number; attempt: string }, onTrouble: (error: Error) => void): Tether {
    const child = spawn('/bin/sh', ['-c', script, 'heartbead-tether', String(group.pgid), group.attempt], {
      // A session of its own: what ends the runner's group must not end the one that watches over its end.
      detached: true,
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.on('error', onTrouble);
    child.stdin?.on('error', onTrouble);
    child.unref();
    return new Tether(child);
  }

  /**
   * No process of the attempt is left: there is nothing to freeze, and the group's number may soon be somebody else's.
   */
  release(): void {
    this.child.stdin?.end('released\n');
  }
}
