import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, inject } from 'vitest';
import { World } from '../../../src/testing/index.js';
import type { Town, TownOptions } from '../../../src/testing/index.js';
import { beadBundleOptions } from '../../../src/worker/bundle.js';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** @returns the workflows as they ship, with one more module of interceptors, a file of this folder. */
async function bundleWith(interceptors: string): Promise<WorkflowBundleOption> {
  const shipped = beadBundleOptions((name) => at(`../../../src/workflows/${name}.ts`));
  const { code } = await bundleWorkflowCode({
    ...shipped,
    workflowInterceptorModules: [...(shipped.workflowInterceptorModules ?? []), at(interceptors)],
    logger: new DefaultLogger('ERROR'),
  });
  return { code };
}

/**
 * A world for one test file, with the workflows as they ship. Call it at the top of the file.
 * @param options `keepTowns`: they live till the end of the file, else till the end of the test that founded them.
 * `interceptors`: a file of this folder, whose interceptors the workflows have besides.
 */
export function useWorld({ keepTowns = false, interceptors }: { keepTowns?: boolean; interceptors?: string } = {}): {
  town(options?: TownOptions): Promise<Town>;
} {
  let world: World | undefined;
  const open = async (): Promise<void> => {
    world = await World.open({
      serverPath: inject('testServer'),
      workflowBundle:
        interceptors === undefined ? { codePath: inject('workflowBundle') } : await bundleWith(interceptors),
    });
  };
  beforeAll(open);
  if (!keepTowns) {
    afterEach(async () => {
      try {
        await world?.closeTowns();
      } catch (error) {
        // This server's time is spoiled; the tests that follow are not to suffer from it.
        const spoiled = world;
        world = undefined;
        await spoiled?.environment.teardown();
        await open();
        throw error;
      }
    });
  }
  afterAll(() => world?.close());
  return {
    town(town) {
      if (world === undefined) throw new Error('the world is not there yet: found towns in tests and hooks only');
      return world.town(town);
    },
  };
}
