import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MergeInput } from '../../../src/contract/index.js';
import type { MergeStep } from '../../../src/git/merge/index.js';
import type { Lab } from './lab.js';

const program = fileURLToPath(new URL('merge-process.mjs', import.meta.url));

/** Starts the activity in a process of its own. `when` decides at what moment it is killed with SIGKILL. */
export async function killMerge(
  lab: Lab,
  input: MergeInput,
  when: { step: MergeStep } | { event: () => Promise<void> },
): Promise<void> {
  const file = join(lab.dir, 'merge.json');
  await writeFile(file, JSON.stringify({ home: lab.home, input, stopAt: 'step' in when ? when.step : undefined }));
  const child = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  let said = '';
  const reached = new Promise<void>((resolve) =>
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('reached\n')) resolve();
    }),
  );
  try {
    const early = gone.then(() => {
      throw new Error(`the merge ended before it could be killed: ${said}`);
    });
    await Promise.race(['step' in when ? reached : when.event(), early]);
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}
