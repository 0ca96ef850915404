import type { WorkflowHandle } from '@temporalio/client';
import { beadWorkflowId } from '../../contract/index.js';
import type { Town, World } from '../../testing/index.js';
import type { Figure } from './figures.js';

type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];

/**
 * @returns how many billable actions of Temporal Cloud stand behind these events (docs.temporal.io/cloud/actions,
 * November 2026). Beats and queries leave no event; markers and workflow tasks are free.
 */
export function actionsOf(events: readonly HistoryEvent[]): number {
  let actions = 0;
  for (const event of events) {
    if (
      event.workflowExecutionStartedEventAttributes ??
      event.timerStartedEventAttributes ??
      event.workflowExecutionSignaledEventAttributes ??
      event.workflowExecutionUpdateAcceptedEventAttributes ??
      event.activityTaskScheduledEventAttributes
    )
      actions += 1;
    // Each further try of an activity is one more.
    actions += Math.max((event.activityTaskStartedEventAttributes?.attempt ?? 1) - 1, 0);
    const upserted = event.upsertWorkflowSearchAttributesEventAttributes;
    if (upserted && Object.keys(upserted.searchAttributes?.indexedFields ?? {}).some((name) => name !== changeVersion))
      actions += 1;
  }
  return actions;
}
/** `patched()` writes it, and nobody pays for that. */
const changeVersion = 'TemporalChangeVersion';

/** All actions of these workflows so far, and the beats of the town's runners. */
async function countedIn(town: Town, workflowIds: readonly string[]): Promise<{ actions: number; beats: number }> {
  const histories = await Promise.all(
    workflowIds.map((workflowId) => town.world.client.workflow.getHandle(workflowId).fetchHistory()),
  );
  return {
    actions: histories.reduce((sum, { events }) => sum + actionsOf(events ?? []), 0),
    beats: town.facts.filter(({ kind }) => kind === 'beat').length,
  };
}

/** What a town costs where actions are paid for, in virtual time: agents at work, and then a town that waits. */
export async function actionFigures(world: World, { hours = 4, agents = 4 } = {}): Promise<Figure[]> {
  const town = await world.town({ maxAgents: agents, agent: { coldStart: '1m', chatter: '10s', works: 'forever' } });
  const rig = await town.rig(`${town.name}-rig`, { maxAgents: agents });
  for (let n = 0; n < agents; n += 1) await town.sling({ rig: `${town.name}-rig` });
  await town.advance('3m');
  const ids = town.beads.map(({ id }) => beadWorkflowId(id));
  const [before, beforeOfRig] = [await countedIn(town, ids), await countedIn(town, [rig.workflowId])];
  await town.advance(`${hours}h`);
  const [after, afterOfRig] = [await countedIn(town, ids), await countedIn(town, [rig.workflowId])];
  await town.close();
  const ofBeads = (after.actions - before.actions) / hours / agents;
  const beats = (after.beats - before.beats) / hours / agents;
  const ofRig = (afterOfRig.actions - beforeOfRig.actions) / hours;

  const idle = await world.town({ agent: { works: '1m', ends: 'escalated' } });
  const quiet = await idle.rig(`${idle.name}-rig`);
  const parked = await idle.sling({ rig: `${idle.name}-rig` });
  await parked.until('it waits for a person', ({ status }) => status === 'blocked', '1h');
  await idle.advance('10m');
  const waiting = [beadWorkflowId(parked.id), quiet.workflowId];
  const first = await countedIn(idle, waiting);
  await idle.advance(`${hours}h`);
  const last = await countedIn(idle, waiting);
  await idle.close();
  return [
    {
      name: 'actions_per_agent_hour',
      value: ofBeads + beats + ofRig / agents,
      unit: 'actions',
      how:
        `billable actions of Temporal Cloud: ${agents} agents of one rig that speak every 10 s, for ${hours} virtual ` +
        `hours; ${Math.round(beats)} beats, ${Math.round(ofBeads)} signals and timers of the bead, and a share of ` +
        `the ${Math.round(ofRig)} of the rig`,
    },
    {
      name: 'actions_per_idle_town_hour',
      value: (last.actions - first.actions + last.beats - first.beats) / hours,
      unit: 'actions',
      how: 'a town whose only bead waits for a person: the bead and its rig; polling and lists are free',
    },
  ];
}
