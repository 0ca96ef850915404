import { metricMeter } from '@temporalio/workflow';
import { measures } from '../domain/index.js';
import type { Measure } from '../domain/index.js';

/**
 * Adds to the metrics of the worker that runs the workflow. A replay adds nothing, nothing of it is in a history, and a
 * worker that exports no metrics drops it.
 */
export function measure(found: readonly Measure[]): void {
  for (const one of found) {
    const says = measures[one.name as keyof typeof measures];
    if (one.kind === 'count') metricMeter.createCounter(one.name, undefined, says).add(one.by, one.labels);
    else {
      const unit = one.name.endsWith('_usd') ? undefined : 'seconds';
      metricMeter.createHistogram(one.name, 'float', unit, says).record(one.value, one.labels);
    }
  }
}
