import { stateDirectory } from '../../client/home.js';
import type { Context } from '../context.js';
import { checkAccounts, checkAgents } from '../doctor/agent-checks.js';
import { checkCell, checkEscapes } from '../doctor/cell-checks.js';
import { fail, ok, warn } from '../doctor/check.js';
import type { DoctorCheck } from '../doctor/check.js';
import {
  checkApprovers,
  checkAttemptFolders,
  checkClock,
  checkGit,
  checkLeftovers,
  checkLfs,
  checkMetrics,
  checkMirrors,
  checkNode,
  checkNotifications,
  checkSigning,
  checkStateDirectory,
} from '../doctor/host-checks.js';
import { checkLogout } from '../doctor/logout-check.js';
import { checkSizes } from '../doctor/size-check.js';
import { exitCodes, errorReport } from '../exit.js';
import { doctorPage } from '../render/doctor-page.js';
import { flag, verb } from '../verb.js';

export const doctor = verb({
  name: 'doctor',
  description: 'check this host, the server and the workers; each finding with its next step',
  options: {
    sandbox: flag('--sandbox', 'try to break out of a sandbox of this host instead, in every way that is known'),
  },
  run: async (context, _, { sandbox }) => {
    const checks = sandbox ? await examineSandbox(context) : await examine(context);
    const healthy = checks.every(({ verdict }) => verdict !== 'fail');
    context.print({ ok: healthy, checks }, doctorPage(checks, context.io.colors));
    return healthy ? exitCodes.fine : exitCodes.failed;
  },
});

async function examineSandbox({ io }: Context): Promise<DoctorCheck[]> {
  const home = stateDirectory(io.env);
  return [checkCell(io.env, home), await guarded('ways out', () => checkEscapes(io.env, home))];
}

async function examine(context: Context): Promise<DoctorCheck[]> {
  const { env } = context.io;
  const checks: DoctorCheck[] = [checkNode(), await checkGit(env), await guarded('git-lfs', checkLfs)];
  let town;
  try {
    town = await context.town();
  } catch (error) {
    const { message, next } = errorReport(error);
    const home = stateDirectory(env);
    return [
      ...checks,
      ...(await settingsOfHost(home, env)),
      checkClock([]),
      ...(await lifeOfHost(home, env, false)),
      fail('server', message, next ?? 'run `heartbead up`'),
    ];
  }
  const server = await import('../doctor/server-checks.js');
  const { probePriorities } = await import('../../server/index.js');
  const { connection, namespace, home } = town;
  const { deadline } = context;
  checks.push(...(await settingsOfHost(home, env)));
  checks.push(await guarded('server', () => server.checkServer(town, deadline)));
  const inNamespace = await guarded('namespace', () => server.checkNamespace(town, deadline));
  checks.push(inNamespace);
  if (inNamespace.verdict === 'fail') return [...checks, checkClock([]), ...(await lifeOfHost(home, env, false))];
  checks.push(await guarded('web pages', () => server.checkWebPages(town)));
  checks.push(await guarded('search attributes', () => server.checkSearchAttributes(town, deadline)));
  checks.push(
    await guarded('priorities', async () => {
      const { honoured, text, settings } = await probePriorities(connection, namespace);
      return honoured
        ? ok('priorities', text)
        : warn(
            'priorities',
            text,
            `set in the dynamic configuration of the server: ${settings.join(', ')} (docs/operators.md)`,
          );
    }),
  );
  checks.push(await guarded('encryption', () => server.checkEncryption(town, deadline)));
  let workerUp = false;
  try {
    const { checks: found, pollers } = await server.checkWorkers(town, deadline);
    workerUp = found.every(({ verdict }) => verdict === 'ok');
    checks.push(...found, checkClock(pollers.map(({ lastSeenAt }) => lastSeenAt)));
  } catch (error) {
    const { message, next } = errorReport(error);
    checks.push(fail('workers', message, next ?? 'try again'));
  }
  checks.push(await guarded('versions', () => server.checkVersions(town, deadline)));
  checks.push(...(await lifeOfHost(home, env, workerUp)), await guarded('metrics', () => checkMetrics(home)));
  return checks;
}

/** Of this host by itself, with a server and without: its folder, its programs, and each file of settings. */
const settingsOfHost = async (home: string, env: NodeJS.ProcessEnv): Promise<DoctorCheck[]> => [
  await checkStateDirectory(home),
  await guarded('sizes', () => checkSizes(home)),
  await checkAgents(env, home),
  checkAccounts(env, home),
  checkCell(env, home),
  checkApprovers(home),
  checkSigning(home),
  await checkNotifications(home, env),
];

/** Likewise: what runs here, and what has been left. */
const lifeOfHost = async (home: string, env: NodeJS.ProcessEnv, workerUp: boolean): Promise<DoctorCheck[]> => [
  await checkLeftovers(home, workerUp),
  await guarded('logout', () => checkLogout(home, env)),
  await checkAttemptFolders(home),
  await guarded('mirrors', () => checkMirrors(home)),
];

/** A check that fails in a way nobody foresaw is a finding as well: the others are still worth having. */
async function guarded(name: string, check: () => Promise<DoctorCheck>): Promise<DoctorCheck> {
  try {
    return await check();
  } catch (error) {
    const { message, next } = errorReport(error);
    return fail(name, message, next ?? 'try again');
  }
}
