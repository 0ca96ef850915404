import type { Activator } from '@temporalio/workflow/lib/internals.js';
import { maybeGetActivator, setActivator } from '@temporalio/workflow/lib/global-attributes.js';
import { afterEach, expect, it, vi } from 'vitest';
import { Publisher } from '../../src/workflows/publish.js';

// The SDK gives it to a workflow's context, before its own modules are loaded there.
await vi.hoisted(async () =>
  Object.assign(globalThis, { AsyncLocalStorage: (await import('node:async_hooks')).AsyncLocalStorage }),
);

/** What the SDK has of a workflow while code of it runs, as far as publishing takes notice of it. */
function workflow(runId: string): Activator {
  const info = { runId };
  return { info, currentDetails: '', pushCommand: () => undefined, mutateWorkflowInfo: () => undefined } as never;
}

/** All that was deferred has run afterwards, and what it threw has been told. */
const deferred = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Code of a workflow, up to where it is broken off: what it has deferred is left. */
function publishIn(run: Activator, ...panels: string[]): void {
  setActivator(run);
  const publisher = new Publisher();
  for (const panel of panels) publisher.publish({ beadStatus: 'active', attention: undefined }, () => panel);
}

afterEach(() => setActivator(undefined));

it('shows once what was published last in a moment', async () => {
  const run = workflow('run');
  publishIn(run, 'first', 'last');
  expect(run.currentDetails).toBe('');
  await deferred();
  expect(run.currentDetails).toBe('last');
});

it('what is left of a broken-off activation runs after the end of its workflow, and does nothing there', async () => {
  const thrown: unknown[] = [];
  const note = (error: unknown): unknown => thrown.push(error);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
  try {
    publishIn(workflow('broken off'), 'panel');
    setActivator(undefined);
    await deferred();
    expect(maybeGetActivator()).toBeUndefined();
    expect(thrown).toEqual([]);
  } finally {
    process.removeListener('unhandledRejection', note);
    for (const listener of others) process.on('unhandledRejection', listener);
  }
});

it('what is left of a broken-off activation runs within another workflow, which keeps its own panel', async () => {
  publishIn(workflow('broken off'), 'of the one broken off');
  const other = workflow('other');
  other.currentDetails = 'its own';
  setActivator(other);
  await deferred();
  expect(other.currentDetails).toBe('its own');
});
