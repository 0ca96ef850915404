import { describe, expect, it } from 'vitest';
import { ModelTown } from '../../../src/lab/simulation/model/town.js';
import { lastOutput, nextOutput, planOf } from '../../../src/testing/agent-script.js';
import type { AgentScript } from '../../../src/testing/index.js';

const second = 1_000;
const minute = 60_000;

/** A town of one host, and a bead whose agent plays the script. */
async function townOf(script: AgentScript) {
  const town = new ModelTown({ hosts: ['ant'], maxAgents: 1, beatStep: 30_000 });
  return { town, bead: await town.sling({ agent: [script] }) };
}

describe('the script of an agent', () => {
  const plan = planOf({ firstOutput: '5s', chatter: '30s', silence: { from: '1m', until: '5m' } });

  it('says something first, then by its chatter, nothing in its silence, and at once after that', () => {
    expect([0, 5 * second, 35 * second, 5 * minute].map((since) => nextOutput(plan, since))).toEqual([
      5 * second,
      35 * second,
      5 * minute,
      5 * minute + 5 * second,
    ]);
    expect([4 * second, 50 * second, 4 * minute].map((until) => lastOutput(plan, until))).toEqual([
      -Infinity,
      35 * second,
      35 * second,
    ]);
  });

  it('never says anything again after a silence without an end, nor where it says nothing at all', () => {
    expect(nextOutput(planOf({ silence: { from: '1m' } }), minute)).toBe(Infinity);
    expect(nextOutput(planOf({ firstOutput: 'never' }), minute)).toBe(Infinity);
  });
});

describe('a fake host', () => {
  it('that is cut off runs on, and neither its beats nor its finished branch get anywhere before it is healed', async () => {
    const { town, bead } = await townOf({ works: '10m' });
    await town.advance('8m');
    town.host('ant').partition();
    const heard = bead.view().heartbeats;
    await town.advance('5m');
    expect(bead.view().heartbeats).toBe(heard);
    expect([bead.agents[0]?.frozen, bead.agents[0]?.endedAt]).toEqual([false, undefined]);
    expect([...town.remote.refs.keys()].filter((ref) => ref.startsWith('refs/heads/'))).toEqual([]);
    town.host('ant').heal();
    await town.advance('5m');
    expect(bead.view().status).toBe('closed');
    expect([...town.remote.refs.keys()].filter((ref) => ref.startsWith('refs/heads/'))).toHaveLength(1);
  });

  it('ends an agent at once that heeds SIGTERM, and after the grace one that does not', async () => {
    for (const ignoresSigterm of [false, true]) {
      const { town, bead } = await townOf({ ignoresSigterm });
      await town.advance('5m');
      await bead.cancel();
      await town.advance('1s');
      const { stopGrace } = bead.view().clocks;
      expect(bead.agents[0]?.endedAt === undefined).toBe(ignoresSigterm);
      await town.advance(stopGrace + 5 * second);
      expect(bead.agents[0]?.endedAt).toBeDefined();
      expect(bead.view().status).toBe('cancelled');
    }
  });

  it('has its work verified when the remote, which was away, is back', async () => {
    const { town, bead } = await townOf({ works: '5m' });
    await town.advance('4m');
    town.remote.away = true;
    await town.advance('10m');
    expect(bead.view().status).toBe('in_review');
    town.remote.away = false;
    await town.advance('5m');
    expect(bead.view().status).toBe('closed');
  });
});
