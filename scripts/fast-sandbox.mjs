/**
 * Preloaded by `npm run simulate` into its process and its workflow threads: what the SDK does around each call into
 * the workflow sandbox, and what decides nothing of a workflow, is left out. Those are a watchdog thread for every
 * single call (64 µs each, thousands of calls a simulated day; the simulation has its own limit on a day), and the note
 * of where each promise was made (for the stack traces of the Web UI). A fifth of the simulation's time.
 * @module
 */
import { promiseHooks } from 'node:v8';
import vm from 'node:vm';

const { runInContext } = vm.Script.prototype;
vm.Script.prototype.runInContext = function unguarded(context, options) {
  return runInContext.call(this, context, { ...options, timeout: undefined });
};

const { createHook } = promiseHooks;
promiseHooks.createHook = (hooks) => {
  // The SDK takes the refusal for an old Node, and does without. Node's own hooks (AsyncLocalStorage) have a `before`.
  if (hooks.init && hooks.settled && !hooks.before) throw new Error('no notes of promises in a simulation');
  return createHook(hooks);
};
