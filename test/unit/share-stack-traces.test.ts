import { Activator } from '@temporalio/workflow/lib/internals.js';
import type { WorkflowCreateOptionsInternal } from '@temporalio/workflow/lib/interfaces.js';
import { afterEach, expect, it } from 'vitest';
import { interceptors } from '../../src/workflows/interceptors/share-stack-traces.js';

const sandbox = globalThis as { __TEMPORAL_ACTIVATOR__?: Activator };
afterEach(() => void delete sandbox.__TEMPORAL_ACTIVATOR__);

/** The SDK's own books of a workflow, as its interceptors find them. */
class Books extends Activator {
  /** What the stack-trace query is made of. */
  told = (): string[] => this.getStackTraces().map(({ formatted }) => formatted);
}

function workflow(): Books {
  const activator = new Books({
    info: {},
    randomnessSeed: [1],
    stackTracesEnabled: true,
  } as unknown as WorkflowCreateOptionsInternal);
  sandbox.__TEMPORAL_ACTIVATOR__ = activator;
  return activator;
}

/** As the SDK's hook does for each new promise, and once more for one that has two parents. */
function waits(
  { promiseStackStore: { promiseToStack, childToParent } }: Activator,
  formatted: string | undefined,
  promise: Promise<unknown> = Promise.resolve(),
  parent?: Promise<unknown>,
): Promise<unknown> {
  promiseToStack.set(
    promise,
    (formatted === undefined ? undefined : { formatted, structured: [] }) as { formatted: string; structured: [] },
  );
  const parents = childToParent.get(promise) ?? new Set();
  if (parent) parents.add(parent);
  childToParent.set(promise, parents);
  return promise;
}

it('two workflows that wait at the same place share one trace, and tell it as before', () => {
  const [one, other] = [workflow(), workflow()].map((activator) => {
    sandbox.__TEMPORAL_ACTIVATOR__ = activator;
    interceptors();
    return {
      activator,
      here: waits(activator, '    at keep (keeper.ts:64:5)'),
      there: waits(activator, '    at sleep (keeper.ts:70:5)'),
      nowhere: waits(activator, undefined),
    };
  });
  if (one === undefined || other === undefined) throw new Error('no workflows');
  const traceOf = ({ activator }: typeof one, promise: Promise<unknown>) =>
    activator.promiseStackStore.promiseToStack.get(promise);
  expect(traceOf(one, one.here)).toBe(traceOf(other, other.here));
  expect(traceOf(one, one.there)).not.toBe(traceOf(other, other.here));
  expect(traceOf(one, one.nowhere)).toBeUndefined();
  for (const { activator } of [one, other])
    expect(activator.told()).toEqual(['    at keep (keeper.ts:64:5)', '    at sleep (keeper.ts:70:5)']);
});

it('what was noted before is kept', () => {
  const activator = workflow();
  const early = waits(activator, '    at early (bead.ts:1:1)');
  interceptors();
  expect(activator.promiseStackStore.promiseToStack.get(early)?.formatted).toBe('    at early (bead.ts:1:1)');
});

it('a promise that gets a parent later hides it, and no other', () => {
  const activator = workflow();
  interceptors();
  const [first, second, third] = ['first', 'second', 'third'].map((name) => waits(activator, name));
  void waits(activator, 'third', third, first);
  expect(activator.told()).toEqual(['second', 'third']);
  void waits(activator, 'third', third, second);
  expect(activator.told()).toEqual(['third']);
});
