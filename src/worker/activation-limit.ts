/**
 * How long the workflows' sandbox may work at one go (the SDK has 5 s). What takes longer is broken off by force, and
 * that ends the whole process, with all workflows and hosts in it ("async hook stack has become corrupted"). A workflow
 * that many have signalled takes longer when its history is played again, thousands of events at one go, on a busy
 * machine. A loop without end, which the limit is for, is noticed two minutes later. The SDK takes the option without a
 * type for it, and has no limit where somebody debugs.
 */
export const activationLimit: { isolateExecutionTimeout?: string } =
  (process.env['TEMPORAL_DEBUG'] ?? '') === '' ? { isolateExecutionTimeout: '2 min' } : {};
