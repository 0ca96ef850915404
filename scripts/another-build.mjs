import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/**
 * Makes a build of Heartbead whose workflows give other commands than those of this checkout, so that neither could go
 * on with the histories of the other.
 * @param {string} folder where it is made.
 * @param {string} name of no other build that its workflows meet.
 * @returns {Promise<string>} its worker's program.
 */
export async function anotherBuild(folder, name) {
  mkdirSync(folder, { recursive: true });
  cpSync(at('dist'), join(folder, 'dist'), { recursive: true });
  cpSync(at('package.json'), join(folder, 'package.json'));
  symlinkSync(at('node_modules'), join(folder, 'node_modules'));
  const extra = join(folder, 'dist/workflows/extra-timer.js');
  writeFileSync(
    extra,
    `import { sleep } from '@temporalio/workflow';
     const execute = (input, next) => {
       void sleep('30 days', { summary: 'of the ${name} build' }).catch(() => undefined);
       return next(input);
     };
     export const interceptors = () => ({ inbound: [{ execute }] });`,
  );
  const { beadBundleOptions } = await import(pathToFileURL(at('dist/worker/bundle.js')).href);
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const options = beadBundleOptions((workflow) => join(folder, `dist/workflows/${workflow}.js`));
  const { code } = await bundleWorkflowCode({
    ...options,
    workflowInterceptorModules: [...(options.workflowInterceptorModules ?? []), extra],
    logger: new DefaultLogger('WARN'),
  });
  writeFileSync(join(folder, 'dist/workflow-bundle.js'), code);
  return join(folder, 'dist/worker.js');
}
