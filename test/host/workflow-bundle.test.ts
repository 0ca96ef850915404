import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildWorkflowBundle, workflowInterceptors } from '../../src/worker/bundle.js';

// Silent: one test makes webpack fail on purpose.
const logger = new DefaultLogger('ERROR', () => undefined);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every zod 4 schema carries its internals under this name; it survives any bundling. */
const zodMark = '_zod';
/** The modules in a bundle, as webpack names them. */
const modulesOf = (code: string): string[] =>
  [...code.matchAll(/^\/\*{3}\/ "([^"]+)"/gm)].map(([, name]) => name as string);

let folder: string;
beforeAll(async () => {
  // Inside the package, so that its packages are found.
  folder = await mkdtemp(join(root, 'node_modules', '.cache', 'bundle-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function bundleOf(source: string): Promise<string> {
  const workflowsPath = join(folder, 'workflows.js');
  await writeFile(workflowsPath, source);
  return (await bundleWorkflowCode({ workflowsPath, logger })).code;
}

describe('the workflow bundle as it ships', () => {
  test('holds no zod, which would cost 0.8 MB for every cached workflow', async () => {
    const code = await readFile(inject('workflowBundle'), 'utf8');
    expect(code).toContain('heartbead');
    expect(code).not.toContain(zodMark);
    expect(modulesOf(code).filter((name) => name.includes('/zod/'))).toEqual([]);
    // And it would show if there were one.
    const withZod = await bundleOf(
      "import { z } from 'zod'; export async function probe() { return z.object({ a: z.string() }).parse({ a: " +
        "'b' }); }",
    );
    expect(withZod).toContain(zodMark);
    expect(modulesOf(withZod).some((name) => name.includes('/zod/'))).toBe(true);
  });

  test('holds only contract, domain and workflows of ours', async () => {
    const ours = modulesOf(await readFile(inject('workflowBundle'), 'utf8')).filter(
      (name) => !name.includes('node_modules') && !name.startsWith('?'),
    );
    expect(ours.length).toBeGreaterThan(10);
    expect(ours.filter((name) => !/^\.\/dist\/(?:contract|domain|workflows)\//.test(name))).toEqual([]);
  });

  test('is loaded once for all workflows of a thread, the stack depth before everything else', async () => {
    const code = await readFile(inject('workflowBundle'), 'utf8');
    const preloaded = /function preloadModules\(\) \{([^}]*)\}/.exec(code)?.[1] ?? '';
    expect([...preloaded.matchAll(/dist\/workflows\/([\w/-]+)\.js"\)/g)].map(([, name]) => name)).toEqual([
      'preload',
      'index',
      ...workflowInterceptors,
    ]);
  });

  test('cannot be built with a Node module in it', async () => {
    await expect(
      bundleOf(
        "import { readFileSync } from 'node:fs'; export async function probe() { return " +
          "readFileSync('/etc/hostname'); }",
      ),
    ).rejects.toThrow(/Webpack finished with errors/);
  });

  test('is written whole by the build, with every workflow that the town starts', async () => {
    const out = join(folder, 'bundle.js');
    await buildWorkflowBundle(out);
    expect((await stat(out)).size).toBeGreaterThan(100_000);
    expect(modulesOf(await readFile(out, 'utf8'))).toContain('./dist/workflows/bead.js');
  });
});
