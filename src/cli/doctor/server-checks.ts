import { KeysError, howToGiveKeys, missingKey } from '../../codec/index.js';
import type { TownConnection } from '../../client/connect.js';
import { sealsSeen } from '../../client/seal-guard.js';
import { isOlder, oldestServer } from '../../client/server-version.js';
import { within } from '../../client/deadline.js';
import { hostIdOf } from '../../client/home.js';
import { readRecord } from '../../client/records.js';
import { pollersOf } from '../../client/pollers.js';
import type { Poller } from '../../client/pollers.js';
import { grpcError, asClientError } from '../../client/as-client-error.js';
import { searchAttributes, taskQueues } from '../../contract/index.js';
import { isDeadHere } from '../../operator/town-facts.js';
import { listeningPorts, portsOpenToWebPages, usualHttpApiPort } from '../../server/http-api.js';
import { retentionDays } from '../../server/retention.js';
import { counted } from '../../domain/words.js';
import { buildsOf } from '../local/builds.js';
import type { TownBuilds } from '../local/builds.js';
import { fail, ok, warn } from './check.js';
import type { DoctorCheck } from './check.js';

type Connected = Pick<TownConnection, 'connection' | 'namespace' | 'address' | 'source' | 'taskQueue' | 'home'>;

const sourceText: Record<TownConnection['source'], string> = {
  configured: 'configured by TEMPORAL_…',
  embedded: 'started by `heartbead up`',
  demo: 'of the running demo',
};

export async function checkServer(town: Connected, deadline: number): Promise<DoctorCheck> {
  const began = performance.now();
  const info = await within(town.connection, deadline, () => town.connection.workflowService.getSystemInfo({}));
  const took = Math.round(performance.now() - began);
  const text =
    `${town.address} (${sourceText[town.source]}), server ${info.serverVersion ?? 'of unknown version'}, ` +
    `answered in ${took} ms`;
  return judgeServer(text, info.serverVersion, took);
}

/** @param took how long it took to answer, in milliseconds. */
export function judgeServer(text: string, version: string | null | undefined, took: number): DoctorCheck {
  if (isOlder(version, oldestServer))
    return warn(
      'server',
      `${text}; Heartbead is tested with servers from ${oldestServer} on`,
      'upgrade the server: with this one priorities, fairness or pauses may not work',
    );
  return took > 2_000
    ? warn('server', text, 'a slow server makes heartbeats late: look at its load and the network')
    : ok('server', text);
}

export async function checkNamespace(town: Connected, deadline: number): Promise<DoctorCheck> {
  try {
    const days = await within(town.connection, deadline, () => retentionDays(town.connection, town.namespace));
    return ok('namespace', `${town.namespace}, ${retentionText(days)}`);
  } catch (error) {
    // 5 is gRPC's NOT_FOUND.
    if (grpcError(error)?.code === 5)
      return fail(
        'namespace',
        `the server has no namespace ${town.namespace}`,
        'correct TEMPORAL_NAMESPACE, or have the namespace made',
      );
    throw asClientError(error);
  }
}

function retentionText(days: number | undefined): string {
  if (days === undefined) return 'which does not say for how long it keeps closed beads';
  const rounded = Number(days.toFixed(1));
  return `keeps closed beads for ${rounded} ${rounded === 1 ? 'day' : 'days'}`;
}

/**
 * Tries what any web page could send to the server's HTTP API. Of an embedded server all ports are tried, of another
 * one the usual port beside its address.
 */
export async function checkWebPages(town: Connected): Promise<DoctorCheck> {
  const name = 'web pages';
  const host = town.address.slice(0, town.address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  const record = await readRecord(town.home, 'server');
  const ports = record?.address === town.address ? await listeningPorts(record.pid) : [usualHttpApiPort];
  const open = await portsOpenToWebPages(host, ports, town.namespace);
  if (open.length === 0)
    return ok(
      name,
      `cannot start beads: no HTTP API answered on ${ports.length} ${ports.length === 1 ? 'port' : 'ports'} ` +
        'of the server',
    );
  return fail(
    name,
    "any web page that is open in a browser here can start beads, and so run commands: the server's HTTP API " +
      `takes its requests at ${open.map((port) => `${host}:${port}`).join(', ')}`,
    town.source === 'configured'
      ? 'set frontend.httpAllowedHosts in the dynamic configuration of the server, or close that port ' +
          '(docs/security.md)'
      : '`heartbead down`, then `heartbead up`: it starts the server with that API closed',
  );
}

/** IndexedValueType of the server's API. */
const keyword = 2;

export async function checkSearchAttributes(town: Connected, deadline: number): Promise<DoctorCheck> {
  const name = 'search attributes';
  const { customAttributes } = await within(town.connection, deadline, () =>
    town.connection.operatorService.listSearchAttributes({ namespace: town.namespace }),
  );
  const wanted = Object.values(searchAttributes);
  const missing = wanted.filter((attribute) => customAttributes?.[attribute] === undefined);
  const wrong = wanted.filter(
    (attribute) => customAttributes?.[attribute] !== undefined && customAttributes[attribute] !== keyword,
  );
  if (wrong.length > 0)
    return fail(
      name,
      `registered, but not as Keyword: ${wrong.join(', ')}`,
      'use another namespace for Heartbead, since the type of an attribute cannot be changed',
    );
  return missing.length > 0
    ? fail(name, `not registered: ${missing.join(', ')}`, 'run `heartbead up`, which registers them')
    : ok(name, wanted.join(', '));
}

/** Who polls the queues of the town; the queue of this very host counts only when a host id exists here. */
export async function checkWorkers(
  town: Connected,
  deadline: number,
): Promise<{ checks: DoctorCheck[]; pollers: Poller[] }> {
  const hostId = await hostIdOf(town.home);
  const wanted: [string, string, 'workflow' | 'activity', string][] = [
    ['workers', taskQueues.main(town.taskQueue), 'workflow', 'beads do not get on'],
    ['agent hosts', taskQueues.agents(town.taskQueue), 'activity', 'no agent is started'],
    ...(hostId === undefined
      ? []
      : [
          [
            'this host',
            taskQueues.host(hostId, town.taskQueue),
            'activity',
            'attempts of this host cannot be adopted',
          ] as [string, string, 'activity', string],
        ]),
  ];
  const all: Poller[] = [];
  const checks = await Promise.all(
    wanted.map(async ([name, queue, kind, without]) => {
      const pollers = (await pollersOf(town, queue, kind, deadline)).filter(
        ({ identity }) => !isDeadHere(identity, hostId),
      );
      all.push(...pollers);
      if (pollers.length === 0)
        return warn(
          name,
          `nobody polls ${queue}: ${without}`,
          'start a worker with `heartbead up`, or `heartbead worker` in the foreground',
        );
      return ok(name, `${queue}: ${pollers.map(({ identity }) => identity).join(', ')}`);
    }),
  );
  return { checks, pollers: all };
}

/** Whether workflows are where somebody runs them, and which builds nobody needs any more. */
export async function checkVersions(
  town: Connected & Pick<TownConnection, 'client'>,
  deadline: number,
): Promise<DoctorCheck> {
  return judgeVersions(await buildsOf(town, deadline));
}

export function judgeVersions({ versioned, current, builds, unversioned, hindrance }: TownBuilds): DoctorCheck {
  const name = 'versions';
  if (!versioned)
    return ok(
      name,
      'the workflows have none: a change of their code has to suit those that run' +
        (hindrance === null ? '' : `; to have them needs another server: ${hindrance}`),
    );
  const waiting = builds.filter(({ workflows, workers }) => workflows > 0 && workers.length === 0);
  if (waiting.length > 0)
    return warn(
      name,
      waiting
        .map(({ build, workflows }) => `${counted(workflows, 'workflow')} of build ${build} without a worker`)
        .join(', '),
      'start a worker that has this build; workflows go on with the current one from there (docs/operators.md)',
    );
  if (unversioned.length > 0)
    return warn(
      name,
      `workers without a version, which get no workflows: ${unversioned.join(', ')}`,
      'start them again: a worker takes part in the versions unless it is told `--versioning off`',
    );
  const done = builds.filter((build) => build.done && build.workers.length > 0);
  return ok(
    name,
    `current is ${current}` +
      (done.length === 0
        ? ''
        : `; nothing is pinned to ${done.map(({ build }) => build).join(', ')}, ` +
          'and a worker of such a build alone may be ended'),
  );
}

/** Whether payloads are encrypted, and whether the keys of this host open what is there. */
export async function checkEncryption(
  town: Connected & Pick<TownConnection, 'keys'>,
  deadline: number,
): Promise<DoctorCheck> {
  const name = 'encryption';
  const { connection, keys } = town;
  const seen = await within(connection, deadline, () => sealsSeen(town, workflowsLookedAt));
  const used = [...seen.ids].sort();
  if (keys === undefined)
    return used.length === 0
      ? ok(name, 'off: whoever reads the server reads titles, prompts and notes (docs/security.md)')
      : fail(
          name,
          `payloads of this town are encrypted (key ${used.join(', ')}), and there are no keys here`,
          howToGiveKeys,
        );
  let ring;
  try {
    ring = await keys.ring();
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    return fail(name, error.message, error.next);
  }
  const missing = used.filter((id) => !ring.keys.has(id));
  if (missing.length > 0) {
    const { message, next } = missingKey(missing.join(', '), keys.place, [...ring.keys.keys()]);
    return fail(name, message, next);
  }
  const began = seen.plain === 0 ? '' : `; ${counted(seen.plain, 'workflow')} of the newest began in plain text`;
  const from = `${counted(ring.keys.size, 'key')} from ${keys.place}`;
  return ring.current === undefined
    ? ok(name, `prepared: ${from} open what is sealed, and none is current: nothing is sealed yet`)
    : ok(name, `on: sealed with key ${ring.current}, ${from}; those that the newest workflows need are there${began}`);
}

/** Enough to meet a key that was rotated away while beads of it live. */
const workflowsLookedAt = 200;
