import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { beadBundleOptions } from '../../../src/worker/bundle.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Makes a build of Heartbead whose workflows give other commands than those of this checkout, so that neither could go
 * on with the histories of the other.
 * @param folder where it is made.
 * @returns its worker's program.
 */
export async function makeSecondBuild(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), readFileSync(join(root, 'package.json')));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const extra = join(folder, 'dist/workflows/extra-timer.js');
  writeFileSync(
    extra,
    `import { sleep } from '@temporalio/workflow';
     const execute = (input, next) => {
       void sleep('30 days', { summary: 'of the second build' }).catch(() => undefined);
       return next(input);
     };
     export const interceptors = () => ({ inbound: [{ execute }] });`,
  );
  const options = beadBundleOptions((name) => join(folder, `dist/workflows/${name}.js`));
  const { code } = await bundleWorkflowCode({
    ...options,
    workflowInterceptorModules: [...(options.workflowInterceptorModules ?? []), extra],
    logger: new DefaultLogger('WARN'),
  });
  writeFileSync(join(folder, 'dist/workflow-bundle.js'), code);
  return join(folder, 'dist/worker.js');
}
