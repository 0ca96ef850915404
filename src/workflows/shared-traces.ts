/**
 * The SDK keeps, for the stack-trace query (the Web UI's tab *Stack trace*), where each waiting promise of a cached workflow was made: texts and frames, new ones for
 * every promise, though fleets of beads wait at the same few places. Here equal ones become one: 34 kB less for a bead whose agent works (of 172, with 1,000
 * of them; `npm run bench -- scale`), and nothing else changes. Part of the workflow bundle (`workflowInterceptorModules`).
 * @module
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { getActivator } from '@temporalio/workflow/lib/global-attributes.js';

type Traces = ReturnType<typeof getActivator>['promiseStackStore']['promiseToStack'];
type Trace = Traces extends Map<unknown, infer T> ? T : never;

/** By their text. As many as there are ways to a promise in the code, whatever the number of workflows; no workflow can see it. */
const known = new Map<string, Trace>();

function oneOfEach(trace: Trace): Trace {
  const same = known.get(trace.formatted);
  if (same === undefined) known.set(trace.formatted, trace);
  return same ?? trace;
}

class SharedTraces extends Map<Promise<unknown>, Trace> {
  override set(promise: Promise<unknown>, trace: Trace | undefined): this {
    // Of a promise within `Promise.all` and its like the SDK sets what it has of the whole, which may be nothing.
    return super.set(promise, (trace && oneOfEach(trace)) as Trace);
  }
}

export const interceptors = (): WorkflowInterceptors => {
  const { promiseStackStore } = getActivator();
  const shared = new SharedTraces();
  for (const [promise, trace] of promiseStackStore.promiseToStack) shared.set(promise, trace);
  promiseStackStore.promiseToStack = shared;
  return {};
};
