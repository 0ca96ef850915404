import type { ChildProcess } from 'node:child_process';

/**
 * SIGKILL for a child of ours, as a power cut would end it. Resolves when it is gone; one that is gone already, or was
 * never started, is no error.
 */
export async function killChild(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
