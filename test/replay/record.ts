import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { it } from 'vitest';
import { useWorld } from '../workflow/support/use-world.js';
import { add, newRecording } from './histories.js';
import { scenarios } from './scenarios.js';

const world = useWorld();
const recording = newRecording(new Date().toISOString().slice(0, 10));

for (const { name, town: options, play } of scenarios) {
  it(name, async () => {
    const town = await world.town(options);
    for (const workflow of await play(town)) {
      for (const [number, { runId }] of workflow.runs.entries()) {
        const history = await town.world.client.workflow.getHandle(workflow.workflowId, runId).fetchHistory();
        add(`${recording}/${name}.${workflow.workflowId}.${number + 1}.json`, JSON.parse(historyToJSON(history)));
      }
    }
  });
}
