import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.js';

const options = { recursive: true, force: true, maxRetries: 3, retryDelay: 100 };
/** A tree of a million files on a slow disk. */
const within = 30 * 60_000;
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/**
 * Removes what strangers have made: also where folders are read-only (module caches are), and where they lie deeper in
 * each other than a path can be long. Node names each file by its whole path; `rm` goes down from folder to folder.
 * @throws Error
 */
export async function removeTree(path: string): Promise<void> {
  try {
    try {
      await rm(path, options);
    } catch (error) {
      if (!['EACCES', 'EPERM'].includes(codeOf(error))) throw error;
      await makeWritable(path);
      await rm(path, options);
    }
  } catch (error) {
    if (codeOf(error) !== 'ENAMETOOLONG') throw error;
    await run('chmod', ['-R', 'u+rwX', '--', path]);
    await run('rm', ['-rf', '--', path]);
  }
}

/** The same at once, for something small. */
export function removeTreeSync(path: string): void {
  try {
    rmSync(path, options);
  } catch (error) {
    if (codeOf(error) !== 'ENAMETOOLONG') throw error;
    execFileSync('rm', ['-rf', '--', path], { stdio: 'ignore' });
  }
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await makeWritable(join(folder, entry.name));
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(program, args, { within, cwd: '/' });
  if (code !== 0) throw new Error(`${program} ${args.join(' ').slice(0, 300)} failed: ${stderr.trim().slice(-300)}`);
}
