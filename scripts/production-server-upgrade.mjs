/**
 * The server upgrade of `npm run test:production`: a town begins on an earlier server and goes on with each later one,
 * on the same database, whose schema the later SQL tool brings up to date. Beads are at work, paused, in a merge and in
 * a convoy meanwhile, and one has closed before. No agent may notice, and nothing may be lost.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agentsIn, lives } from './production-upgrade.mjs';

/** Servers that a database is brought through, one after the other, before the compose file's. */
export const formerServers = ['1.30.4', '1.31.0'];

const rig = 'moved';
const working = ['moved-1', 'moved-2', 'moved-3', 'moved-4'];
const [paused, early, convoy] = ['moved-paused', 'moved-early', 'moved-convoy'];

/**
 * @param {object} town what `test:production` has made: its command line, its processes, its database.
 * @returns what the report says of it.
 */
export async function playServerUpgrade(town) {
  const { folder, origin, cli, json, until, fail, homes, restartWorkers } = town;
  const { versions, schemaOf, stopServer, refusesToStart, bringSchemaTo, startOn } = town.servers;
  const gates = join(folder, 'server-gates');
  mkdirSync(gates);
  const open = (gate) => writeFileSync(join(gates, gate), '');
  const held = (gate) => `while [ ! -e ${join(gates, gate)} ]; do echo at work; sleep 1; done`;
  const done =
    'echo work > "$HEARTBEAD_ATTEMPT.txt" && git add -A && ' +
    'git -c user.name=A -c user.email=a@localhost commit -qm work && heartbead agent done "it is done"';
  const sling = (id, command) => cli('sling', `Moved ${id}`, '--id', id, '--repo', origin, '--command', command);
  const stateOf = (id) => json('show', id).state;

  sling(early, done);
  await until('a bead has closed on the first server', () => stateOf(early)?.status === 'closed');
  for (const id of [...working, paused]) sling(id, `${held('work')}; ${done}`);
  cli(
    ...['rig', 'add', rig, '--repo', origin, '--agent', 'demo', '--option', 'stepMs=200'],
    ...['--max-agents', '4', '--check', `held=${held('merge')}`],
  );
  const parts = [
    { id: 'one', title: 'The first' },
    { id: 'two', title: 'The second', needs: ['one'] },
  ];
  const file = join(folder, `${convoy}.json`);
  writeFileSync(file, JSON.stringify({ convoy, title: 'Moved', rig, beads: parts }));
  cli('convoy', 'create', file);
  await until('its agents work', () => [...working, paused].every((id) => stateOf(id)?.agent === 'working'));
  cli('pause', paused);
  await until('one is paused', () => stateOf(paused).agent === 'paused');
  await until('a merge is under way', () => json('rig', 'show', rig).merging.length === 1);
  const agents = agentsIn(homes, [...working, paused]);
  if (agents.size !== working.length + 1) fail(`${agents.size} agents are known`);

  const schemas = [schemaOf()];
  const away = [];
  for (const version of versions.slice(1)) {
    const from = Date.now();
    await stopServer();
    // The first of them needs a newer schema, and says so instead of working on the older one.
    if (version === versions[1]) await refusesToStart(version);
    bringSchemaTo(version);
    await startOn(version);
    away.push(Math.round((Date.now() - from) / 1_000));
    schemas.push(schemaOf());
    await until(
      `the beads answer on ${version}`,
      () => working.every((id) => stateOf(id)?.agent === 'working') && stateOf(paused).agent === 'paused',
    );
    cli('nudge', working[0], `this is server ${version}`);
    if (!json('ls', '--all', '--limit', '500').beads.some(({ bead, status }) => bead === early && status === 'closed'))
      fail(`the bead that closed before is not there on ${version}`);
  }
  // Only now the server knows versions: workers that come back give the workflows theirs.
  if (json('upgrade', 'status').versioned) fail('the workflows have versions, and no worker was told of them');
  await restartWorkers();
  // A workflow has one from its next task on, which the adoption of its agent is.
  await until('the workflows have versions', () => {
    const { versioned, builds } = json('upgrade', 'status');
    return versioned && builds.reduce((all, build) => all + build.workflows, 0) >= working.length;
  });

  for (const [bead, { attempt, agent, runner }] of agents) {
    const now = agentsIn(homes, [bead]).get(bead);
    if (now?.attempt !== attempt || now.agent !== agent) fail(`${bead} has got another agent`);
    if (!lives(agent) || !lives(runner)) fail(`the agent or the runner of ${bead} is gone`);
  }
  const over = Date.now();
  cli('resume', paused);
  open('work');
  open('merge');
  const all = [...working, paused, ...parts.map(({ id }) => `${convoy}-${id}`)];
  await until('all have closed', () => all.every((id) => stateOf(id)?.status === 'closed'));
  const closed = [early, ...all].map(stateOf);
  for (const { bead, attempts, used, malformed } of closed)
    if (attempts.length !== 1 || used.infraLosses + used.agentFailures > 0 || malformed > 0)
      fail(`${bead} has paid for the upgrade: ${JSON.stringify({ attempts, used, malformed })}`);
  return {
    schema: schemas.join(' → '),
    'server away': away.map((seconds) => `${seconds} s`).join(', '),
    'after it': Math.round((Date.now() - over) / 1_000),
    attempts: closed.reduce((sum, { attempts }) => sum + attempts.length, 0),
    losses: closed.reduce((sum, { used }) => sum + used.infraLosses, 0),
  };
}
