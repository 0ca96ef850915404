import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { BundleOptions } from '@temporalio/worker';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import writeFileAtomic from 'write-file-atomic';
import { compiledFile } from '../package/compiled.js';

/**
 * What goes into the bundle beside the workflows, in this order: modules of `src/workflows`. Every bundle of beads has
 * them, those of tests as well.
 */
export const workflowInterceptors = [
  'interceptors/refuse-stale-query',
  'interceptors/survive-bad-payloads',
  'interceptors/share-stack-traces',
] as const;

/**
 * What the workflows as they ship are bundled with.
 * @param moduleOf where a module of `src/workflows` is, compiled or not, by its name.
 */
export function beadBundleOptions(
  moduleOf: (name: string) => string,
): Pick<BundleOptions, 'workflowsPath' | 'workflowInterceptorModules' | 'preloadModules'> {
  const interceptors = workflowInterceptors.map(moduleOf);
  return {
    workflowsPath: moduleOf('index'),
    workflowInterceptorModules: interceptors,
    preloadModules: [moduleOf('preload'), moduleOf('index'), ...interceptors],
  };
}

/**
 * Bundles the compiled workflows (`dist/workflows/index.js`) into one file, so that a worker starts without a bundler.
 * Part of the build.
 * @param out where the bundle goes; written in one step.
 * @throws Error when the workflows are not compiled, or import what has no place in the sandbox.
 */
export async function buildWorkflowBundle(out: string): Promise<void> {
  const { code } = await bundleWorkflowCode({
    ...beadBundleOptions((name) => compiledFile(`workflows/${name}`)),
    logger: new DefaultLogger('WARN'),
  });
  await writeFileAtomic(out, code);
}

/**
 * @returns the bundle that the build has made, for `workflowBundle` of a worker.
 * @throws Error when there is none.
 */
export function builtWorkflowBundle(): { codePath: string } {
  const codePath = fileURLToPath(new URL('../../dist/workflow-bundle.js', import.meta.url));
  if (!existsSync(codePath)) throw new Error(`${codePath} is missing: build the package first (npm run build)`);
  return { codePath };
}
