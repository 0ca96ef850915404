import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { World } from '../../src/testing/index.js';
import { beadBundleOptions } from '../../src/worker/bundle.js';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
let world: World;
beforeAll(async () => {
  const shipped = beadBundleOptions((name) => at(`../../src/workflows/${name}.ts`));
  const { code } = await bundleWorkflowCode({
    ...shipped,
    workflowInterceptorModules: [...(shipped.workflowInterceptorModules ?? []), at('support/slow-grants.ts')],
    logger: new DefaultLogger('ERROR'),
  });
  world = await World.open({ serverPath: inject('testServer'), workflowBundle: { code } });
});
afterAll(() => world?.close());

it('a bead that asks again before its rig has heard that it has its grant is told of the next one as well', async () => {
  const town = await world.town();
  await town.rig('slow');
  const bead = await town.sling({ rig: 'slow', agent: [{ works: '1m', ends: 'killed' }, { works: '4m' }] });
  const { status, attempts } = await bead.untilEnded('2h');
  expect([status, attempts.map(({ outcome }) => outcome)]).toEqual(['closed', ['lost', 'done']]);
});
