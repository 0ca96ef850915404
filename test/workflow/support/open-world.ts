import { inject } from 'vitest';
import { World } from '../../../src/testing/index.js';

/** A world for one test file, with the workflows as they ship. End it with `close()` in `afterAll`. */
export function openWorld(): Promise<World> {
  return World.open({ serverPath: inject('testServer'), workflowBundle: { codePath: inject('workflowBundle') } });
}
