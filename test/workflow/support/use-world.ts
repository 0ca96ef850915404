import { afterAll, afterEach, beforeAll, inject } from 'vitest';
import { World } from '../../../src/testing/index.js';
import type { Town, TownOptions } from '../../../src/testing/index.js';

/**
 * A world for one test file, with the workflows as they ship. Call it at the top of the file.
 * @param options `keepTowns`: they live till the end of the file, else till the end of the test that founded them.
 */
export function useWorld(options: { keepTowns?: boolean } = {}): { town(options?: TownOptions): Promise<Town> } {
  let world: World | undefined;
  const open = async (): Promise<void> => {
    world = await World.open({
      serverPath: inject('testServer'),
      workflowBundle: { codePath: inject('workflowBundle') },
    });
  };
  beforeAll(open);
  if (options.keepTowns !== true) {
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
