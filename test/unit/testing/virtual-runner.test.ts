import { describe, expect, it } from 'vitest';
import { ModelClock } from '../../../src/lab/simulation/model/clock.js';
import { ModelTown } from '../../../src/lab/simulation/model/town.js';
import type { AgentScript } from '../../../src/testing/index.js';
import type { FakeHost } from '../../../src/testing/fake-host.js';
import { fakeLine } from '../../../src/testing/fake-line.js';
import { FakeProcess } from '../../../src/testing/fake-process.js';
import { FakeTime } from '../../../src/testing/fake-time.js';

const minute = 60_000;

describe('the production runner on a fake host', () => {
  const townOf = async (script: AgentScript) => {
    const town = new ModelTown({ hosts: ['ant'], maxAgents: 1, beatStep: 30_000 });
    return { town, bead: await town.sling({ agent: [script] }) };
  };

  it('waits at its fence while the bead is paused, and spawns its agent when it goes on', async () => {
    const { town, bead } = await townOf({ coldStart: '10m' });
    await town.advance('5m');
    await bead.pause();
    await town.advance('15m');
    expect(bead.agents).toEqual([]);
    await bead.resume();
    await town.advance('2m');
    expect(bead.agents).toHaveLength(1);
    expect(bead.view()).toMatchObject({ status: 'in_progress', agent: 'working', attempts: [] });
  });

  it('that is killed with its agent records nothing: its host finds it dead, and says so', async () => {
    const { town, bead } = await townOf({});
    await town.advance('5m');
    town.host('ant').killRunner(bead.id);
    await town.advance('1m');
    expect(bead.view().attempts).toMatchObject([{ outcome: 'lost', reason: 'the runner died without a result' }]);
    expect(town.broken).toBeUndefined();
  });

  it('freezes its agent when its lease is over by its host’s clock, and lets it go on with the next beat', async () => {
    const { town, bead } = await townOf({});
    await town.advance('5m');
    const [agent] = bead.agents;
    town.host('ant').setClock(3 * 60 * minute);
    await town.advance('1s');
    expect(agent).toMatchObject({ frozen: true });
    await town.advance('1m');
    expect(agent).toMatchObject({ frozen: false });
    expect(agent?.endedAt).toBeUndefined();
  });

  it('does nothing with an answer that comes after its death', async () => {
    let answer: (view: unknown) => void = () => undefined;
    const host = {
      runnersConnected: true,
      track: <T>(call: Promise<T>) => call,
      ask: () => new Promise((resolve) => (answer = resolve)),
    } as unknown as FakeHost;
    const heard: string[] = [];
    for (const dies of [false, true]) {
      const process = new FakeProcess(new ModelClock(() => undefined));
      const asked = fakeLine(host, 'b1', process).client.workflow.getHandle('bead-b1').query('state');
      void asked.then(() => heard.push(dies ? 'dead' : 'alive'));
      if (dies) process.kill();
      answer({});
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(heard).toEqual(['alive']);
  });
});

describe('the time of a fake host', () => {
  const start = () => {
    const clock = new ModelClock(() => undefined);
    const host = { clock, clockOff: 0 };
    const process = new FakeProcess(clock);
    const fired: string[] = [];
    return { clock, host, process, time: new FakeTime(host, process), fired };
  };

  it('rings an alarm by whichever clock is first, and a timer by the one that nobody sets', async () => {
    const { clock, host, time, fired } = start();
    time.timer(10 * minute, () => fired.push('timer'));
    time.alarm(time.now(), 10 * minute, () => fired.push('alarm'));
    time.alarm(time.now(), 10 * minute, () => fired.push('taken back'))();
    await clock.advance('1m');
    host.clockOff = 60 * minute;
    time.clockMoved();
    await clock.advance('1s');
    expect(fired).toEqual(['alarm']);
    host.clockOff = -60 * minute;
    time.clockMoved();
    await clock.advance('9m');
    expect(fired).toEqual(['alarm', 'timer']);
  });

  it('is late in a process that stands still, and never comes in one that is dead', async () => {
    const { clock, process, time, fired } = start();
    time.timer(minute, () => fired.push('first'));
    process.stop();
    await clock.advance('5m');
    expect(fired).toEqual([]);
    process.continue();
    await clock.advance('1s');
    time.timer(minute, () => fired.push('second'));
    process.kill();
    await clock.advance('5m');
    expect(fired).toEqual(['first']);
  });
});
