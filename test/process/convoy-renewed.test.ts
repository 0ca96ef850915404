import { writeFile } from 'node:fs/promises';
import { expect, inject, it } from 'vitest';
import { convoyWorkflowId, limits } from '../../src/contract/index.js';
import type { ConvoyView } from '../../src/contract/index.js';
import { RigStory } from './support/rig-story.js';
import { Town, generous } from './support/town.js';

const work =
  'echo work > "$HEARTBEAD_ATTEMPT.txt" && git add -A && git -c user.name=A -c user.email=a@localhost commit ' +
  '-qm work && heartbead agent done "it is done"';

// On a real server, with updates at the very end of a run.
it(
  'a convoy with a long history goes on in a new run while a bead runs, one is being merged, and operators add, pause and resume: nothing is lost, and the order is kept',
  { timeout: 4 * generous },
  async () => {
    const town = await Town.open(inject('devServer'));
    await town.host(inject('devServer').address);
    const story = await RigStory.begin(town, 'long');
    const wait = (file: string): string => `while [ ! -e ${story.path(file)} ]; do sleep 0.2; done`;
    // The second is held by its agent, the first by its check.
    await story.go(['first', 'second'], {
      agent: `case $HEARTBEAD_BEAD in *-held) ${wait('work')};; esac; ${work}`,
      check: wait('merge'),
    });
    const add = (id: string, ...needs: string[]): Promise<string> =>
      story.fleet.addBead(story.name, { bead: { id, title: id, needs } });
    await add('held');
    const bead = (view: ConvoyView, id: string): string | undefined => view.beads.find((one) => one.id === id)?.bead;
    await story.convoyIs(
      'has one that runs and one in review',
      (view) => bead(view, 'held') === 'in_progress' && bead(view, 'first') === 'in_review',
    );

    const handle = town.client.workflow.getHandle(convoyWorkflowId(story.name));
    const report = { bead: story.bead('held'), status: 'in_progress', reason: '', merged: false };
    // What a talkative bead has to say, so that the history is nearly full. The query's answer comes behind it: nobody
    // gets ahead of the worker.
    for (
      let left = limits.historyEvents;
      left > 150;
      left = limits.historyEvents - (await handle.describe()).historyLength
    ) {
      await Promise.all(
        Array.from({ length: Math.min(Math.ceil((left - 100) / 4), 100) }, () => handle.signal('beadReport', report)),
      );
      await story.fleet.convoy(story.name);
    }
    expect((await story.fleet.convoy(story.name)).runs).toBe(1);
    const added: string[] = [];
    let renewed = false;
    const lanes = [
      ...Array.from({ length: 2 }, (_, lane) => async (): Promise<void> => {
        for (let n = 0; !renewed; n += 1) {
          const id = `more-${lane}-${n}`;
          expect(await add(id, 'first')).toContain('waits for first');
          added.push(id);
          renewed ||= (await story.fleet.convoy(story.name)).runs > 1 || added.length > 400;
        }
      }),
      async (): Promise<void> => {
        while (!renewed) for (const turn of [story.fleet.pauseConvoy, story.fleet.resumeConvoy]) await turn(story.name);
      },
    ];
    await Promise.all(lanes.map((lane) => lane()));
    const after = await story.fleet.convoy(story.name);
    expect([after.runs, after.strays, after.malformed, after.paused]).toEqual([2, 0, 0, false]);
    expect(after.beads.map(({ id, status }) => [id, status])).toEqual([
      ['first', 'running'],
      ['second', 'pending'],
      ['held', 'running'],
      ...after.beads.slice(3).map(({ id }) => [id, 'pending']),
    ]);
    const there = after.beads.slice(3).map(({ id }) => id);
    expect([...there].sort()).toEqual([...added].sort());
    for (const lane of ['more-0-', 'more-1-'])
      expect(there.filter((id) => id.startsWith(lane))).toEqual(added.filter((id) => id.startsWith(lane)));

    // What the Web UI shows is made once for all that happens in one moment, and is there all the same.
    const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    expect(currentDetails).toContain('held');
    expect(currentDetails).toContain(added.at(-1));

    // What was added has served its purpose: to run it all would take long.
    await Promise.all(added.map((id) => story.fleet.removeBead(story.name, { id })));
    await Promise.all(['work', 'merge'].map((file) => writeFile(story.path(file), '')));
    const landed = await story.landed();
    expect(landed.beads.map(({ id, status }) => [id, status])).toEqual([
      ['first', 'merged'],
      ['second', 'merged'],
      ['held', 'merged'],
    ]);
    expect(await Promise.all(['first', 'second', 'held'].map((id) => story.mergesOf(id)))).toEqual([1, 1, 1]);
  },
);
