/**
 * The SDK keeps, for the stack-trace query (the Web UI's tab *Stack trace*), where each waiting promise of a cached
 * workflow was made, and whose child it is: texts, frames and sets, new ones for every promise, though fleets of beads
 * wait at the same few places. Here equal ones become one: 37 kB less for a bead whose agent works (of 172, with 1,000
 * of them; `npm run bench -- scale`), and nothing else changes. Part of the workflow bundle
 * (`workflowInterceptorModules`).
 * @module
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { getActivator } from '@temporalio/workflow/lib/global-attributes.js';

type Store = ReturnType<typeof getActivator>['promiseStackStore'];
type Trace = Store['promiseToStack'] extends Map<unknown, infer T> ? T : never;
type Parents = Set<Promise<unknown>>;

/**
 * By their text. As many as there are ways to a promise in the code, whatever the number of workflows; no workflow can
 * see it.
 */
const known = new Map<string, Trace>();
const none: Parents = new Set();

function oneOfEach(trace: Trace): Trace {
  const same = known.get(trace.formatted);
  if (same === undefined) known.set(trace.formatted, trace);
  return same ?? trace;
}

class SharedTraces extends Map<Promise<unknown>, Trace> {
  override set(promise: Promise<unknown>, trace: Trace | undefined): this {
    // For a promise within `Promise.all` and its like the SDK sets what it has of the whole, which may be nothing.
    return super.set(promise, (trace && oneOfEach(trace)) as Trace);
  }
}

class SharedParents extends Map<Promise<unknown>, Parents> {
  override set(promise: Promise<unknown>, parents: Parents): this {
    return super.set(promise, parents.size === 0 ? none : parents);
  }

  /** Whoever asks means to add to it. */
  override get(promise: Promise<unknown>): Parents | undefined {
    const parents = super.get(promise);
    return parents === none ? undefined : parents;
  }
}

export const interceptors = (): WorkflowInterceptors => {
  const store: Store = getActivator().promiseStackStore;
  const [traces, parents] = [store.promiseToStack, store.childToParent];
  store.promiseToStack = new SharedTraces();
  store.childToParent = new SharedParents();
  for (const [promise, trace] of traces) store.promiseToStack.set(promise, trace);
  for (const [promise, of] of parents) store.childToParent.set(promise, of);
  return {};
};
