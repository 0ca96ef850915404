/** Workflows of the benchmark of large towns: those of a town, and whom a full rig answers. @module */
import { condition, defineQuery, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';

export { bead } from '../../workflows/bead.js';
export { convoy } from '../../workflows/convoy.js';
export { rig } from '../../workflows/rig.js';

/** Stands for many beads at once: takes what a rig tells them, and counts it by the name of the signal. */
export async function answered(): Promise<void> {
  const told: Record<string, number> = {};
  setDefaultSignalHandler((name) => {
    told[name] = (told[name] ?? 0) + 1;
  });
  setHandler(defineQuery('told'), () => told);
  await condition(() => false);
}
