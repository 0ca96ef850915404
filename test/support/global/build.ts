import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/**
 * Tests that start compiled programs, and the workflow bundle, need an up-to-date `dist`. Types are not checked here.
 */
export default async function buildOnce(project: TestProject): Promise<void> {
  await promisify(execFile)(process.execPath, [at('scripts/build.mjs')]).catch((error: Error & { stderr?: string }) => {
    throw new Error(`the sources do not compile:\n${error.stderr ?? error.message}`, { cause: error });
  });
  if (existsSync(at('dist/workflow-bundle.js'))) project.provide('workflowBundle', at('dist/workflow-bundle.js'));
}
