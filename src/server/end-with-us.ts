import { spawn } from 'node:child_process';

/**
 * Sees to it that another process does not outlive this one, however this one ends, SIGKILL included.
 * @returns releases the other process: it may live on, or has ended. May be called again.
 */
export const endWithUs = (pid: number): (() => void) =>
  whenWeEnd(['/bin/sh', '-c', 'kill -KILL "$1"', 'heartbead-guard', String(pid)]);

/**
 * Runs a command when this process has ended, however it ends: a small shell waits at a pipe that closes with us.
 * @returns calls it off. May be called again.
 */
export function whenWeEnd(command: readonly string[], env: NodeJS.ProcessEnv = process.env): () => void {
  const guard = spawn(
    '/bin/sh',
    ['-c', 'read -r word; [ "$word" = released ] || exec "$@"', 'heartbead-guard', ...command],
    {
      // The guard has a process group of its own: a Ctrl-C for us must not end the guard before it has done its work.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env,
    },
  );
  const { stdin } = guard;
  // Without a shell, or after it was killed, nobody guards; that is no reason to fail.
  guard.once('error', () => undefined);
  stdin.once('error', () => undefined);
  guard.unref();
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return () => void stdin.end('released\n');
}
