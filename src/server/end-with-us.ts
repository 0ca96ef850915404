import { spawn } from 'node:child_process';

/**
 * Sees to it that another process does not outlive this one, however this one ends, SIGKILL included: a small shell waits at a pipe that closes with us.
 * @returns releases the other process: it may live on, or has ended. May be called again.
 */
export function endWithUs(pid: number): () => void {
  const guard = spawn('/bin/sh', ['-c', 'read -r word; [ "$word" = released ] || kill -KILL "$1"', 'heartbead-guard', String(pid)], {
    // Of its own process group: a Ctrl-C for us must not end the guard before it has done its work.
    detached: true, stdio: ['pipe', 'ignore', 'ignore'],
  });
  const { stdin } = guard;
  // Without a shell, or after it was killed, nobody guards; that is no reason to fail.
  guard.once('error', () => undefined);
  stdin.once('error', () => undefined);
  guard.unref();
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  return () => void stdin.end('released\n');
}
