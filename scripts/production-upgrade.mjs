/**
 * The large upgrade of `npm run test:production`: twenty beads whose agents work, three convoys, and a rig in the
 * middle of a merge go on with another build, back, and on again; every worker is killed between. No agent may notice.
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const beads = Array.from({ length: 20 }, (_, n) => `living-${n + 1}`);
const convoys = ['first', 'second', 'third'].map((name) => `upgraded-${name}`);
const rig = 'upgraded';

/** The process of each bead's agent, as its runner has it, by the bead. Two worker homes may know of a bead. */
export function agentsIn(homes, beads) {
  const found = new Map();
  for (const home of homes)
    for (const name of readdirSync(join(home, 'attempts'))) {
      const [, bead] = name.split('__');
      const file = join(home, 'attempts', name, 'runner.json');
      if (!beads.includes(bead) || !existsSync(file)) continue;
      const { agent, pid } = JSON.parse(readFileSync(file, 'utf8'));
      if (agent !== undefined) found.set(bead, { attempt: name, runner: pid, agent: agent.pid });
    }
  return found;
}

/** @returns whether a process is there, and no zombie. */
export const lives = (pid) =>
  existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

/** @returns what the report says of it: how long each of the three changes and the end took, attempts, losses. */
export async function playUpgrade({ folder, origin, cli, json, until, fail, homes, replaceWorkers, killWorkers }) {
  const gates = join(folder, 'gates');
  mkdirSync(gates);
  const waits = (name) => `while [ ! -e ${join(gates, name)} ]; do sleep 0.5; done`;
  const work =
    `while [ ! -e ${join(gates, 'work')} ]; do echo at work; sleep 2; done; echo work > "$HEARTBEAD_ATTEMPT.txt" && ` +
    'git add -A && git -c user.name=A -c user.email=a@localhost commit -qm work && heartbead agent done "it is done"';
  for (const id of beads) cli('sling', `Upgraded ${id}`, '--id', id, '--repo', origin, '--command', work);
  cli(
    ...['rig', 'add', rig, '--repo', origin, '--agent', 'demo', '--option', 'stepMs=200'],
    ...['--max-agents', '4', '--check', `held=${waits('merge')}`],
  );
  for (const convoy of convoys) {
    const file = join(folder, `${convoy}.json`);
    const parts = [
      { id: 'one', title: 'The first' },
      { id: 'two', title: 'The second', needs: ['one'] },
    ];
    writeFileSync(file, JSON.stringify({ convoy, title: 'Upgraded', rig, beads: parts }));
    cli('convoy', 'create', file);
  }
  /** Of each bead that has the id: one question for all, since each command takes a second. */
  const every = (ids, is) => {
    const listed = new Map(json('ls', '--all', '--limit', '500').beads.map((one) => [one.bead, one]));
    return ids.every((id) => listed.has(id) && is(listed.get(id)));
  };
  const agents = await until('twenty agents work', () => {
    const found = agentsIn(homes, beads);
    return found.size === beads.length && every(beads, ({ agent }) => agent === 'working') && found;
  });
  await until('a merge is under way', () => json('rig', 'show', rig).merging.length === 1);

  const townBuilds = () => json('upgrade', 'status');
  const { current: one } = townBuilds();
  const took = {};
  /** All have left a build, but for the rig whose merge holds it. */
  const leave = async (name, build, but) => {
    const from = Date.now();
    await until(`all have left ${build}`, () => {
      const { builds, current } = townBuilds();
      const left = builds.find((known) => known.build === build)?.workflows ?? 0;
      return current !== build && left <= but;
    });
    took[name] = Math.round((Date.now() - from) / 1_000);
  };
  await replaceWorkers();
  await leave('upgraded after', one, 1);
  const { current: two } = townBuilds();
  if (two === one) fail('the town has gone on with the same build');
  cli('upgrade', 'rollback');
  await leave('rolled back after', two, 0);
  await killWorkers();
  cli('upgrade', 'to', two);
  await leave('upgraded again after', one, 1);

  const now = agentsIn(homes, beads);
  for (const [bead, { attempt, agent, runner }] of agents) {
    if (now.get(bead)?.attempt !== attempt || now.get(bead)?.agent !== agent) fail(`${bead} has got another agent`);
    if (!lives(agent) || !lives(runner)) fail(`the agent or the runner of ${bead} is gone`);
  }
  const from = Date.now();
  writeFileSync(join(gates, 'work'), '');
  writeFileSync(join(gates, 'merge'), '');
  const ofConvoys = convoys.flatMap((convoy) => ['one', 'two'].map((id) => `${convoy}-${id}`));
  await until('all have closed', () => every([...beads, ...ofConvoys], ({ status }) => status === 'closed'));
  const closed = [...beads, ...ofConvoys].map((id) => json('show', id).state);
  await leave('the rig after', one, 0);
  for (const { bead, attempts, used, malformed } of closed)
    if (attempts.length !== 1 || used.infraLosses + used.agentFailures > 0 || malformed > 0)
      fail(`${bead} has paid for the upgrade: ${JSON.stringify({ attempts, used, malformed })}`);
  return {
    ...took,
    'after it': Math.round((Date.now() - from) / 1_000),
    attempts: closed.reduce((all, { attempts }) => all + attempts.length, 0),
    losses: closed.reduce((all, { used }) => all + used.infraLosses, 0),
  };
}
