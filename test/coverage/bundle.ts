import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WorkflowCoverage } from '@temporalio/nyc-test-coverage';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { workflowInterceptors } from '../../src/worker/bundle.js';
import type { TestProject } from 'vitest/node';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The workflows as they ship, from the sources, with counters in them. */
export default async function bundleWithCounters(project: TestProject): Promise<() => Promise<void>> {
  // What the package looks for to know that somebody counts.
  Object.assign(globalThis, { __coverage__: {} });
  const { webpackConfigHook } = new WorkflowCoverage().augmentBundleOptions({ workflowsPath: 'any' });
  const { code } = await bundleWorkflowCode({
    workflowsPath: at('src/workflows/index.ts'),
    workflowInterceptorModules: [
      ...workflowInterceptors.map((name) => at(`src/workflows/${name}.ts`)),
      at('test/coverage/counters.ts'),
    ],
    logger: new DefaultLogger('ERROR'),
    webpackConfigHook,
  });
  const folder = await mkdtemp(join(tmpdir(), 'heartbead-coverage-'));
  const path = join(folder, 'workflow-bundle.js');
  await writeFile(path, code);
  project.provide('workflowBundle', path);
  return () => rm(folder, { recursive: true, force: true });
}
