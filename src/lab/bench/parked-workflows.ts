/**
 * What the worker of the scale benchmark runs: beads as they ship, and a way to have its workflow thread collect its
 * garbage. @module
 */
export { bead } from '../../workflows/bead.js';

/**
 * With `--expose-gc` every context has the collector, the sandbox's too; nothing else reaches the heap of that thread.
 */
export async function collect(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('the worker was started without --expose-gc');
  gc();
}
