import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { isMissing } from '../../edge/errors.js';
import { fileProblem } from '../../edge/file-problem.js';
import { CliError, exitCodes, failure, usageError } from '../exit.js';
import { argument, verb } from '../verb.js';

const file = z.string().min(1).max(4_000);
const there = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
      throw error;
    },
  );

const isFolder = async (path: string): Promise<boolean> => (await there(path)) && (await stat(path)).isDirectory();
const isLater = (version: string, than: string): boolean => version.localeCompare(than, 'en', { numeric: true }) > 0;

export const backup = verb({
  name: 'backup',
  description: 'copy the database of the server that `heartbead up` started here into a file, while it runs',
  arguments: [argument('<file>', 'where to; it must not exist', file)],
  run: async (context, [given]) => {
    const { readRecord } = await import('../../client/records.js');
    const { backUp, BackupProblem } = await import('../../server/backup.js');
    const { packageVersion } = await import('../../version.js');
    const { isAlive } = await import('../local/processes.js');
    const home = stateDirectory(context.io.env);
    const target = resolve(given);
    if (await there(target)) throw usageError(`${target} exists already`, 'name another file');
    if (!(await isFolder(dirname(target))))
      throw usageError(`there is no folder ${dirname(target)}`, 'make it, or name a file elsewhere');
    const record = await readRecord(home, 'server');
    if (record === undefined)
      throw new CliError({
        code: exitCodes.notFound,
        message: `${home} has no server of its own`,
        next: 'the database of another server is for its own tools',
      });
    const { namespace, taskQueue, address } = record;
    try {
      const header = await backUp(
        record.dbFile,
        target,
        { version: packageVersion(), namespace, taskQueue, address },
        isAlive(record) ? record.pid : undefined,
      );
      const bytes = (await stat(target)).size;
      context.print(
        { file: target, bytes, takenAt: header.takenAt, files: header.files },
        `wrote ${target} (${Math.ceil(bytes / 1024)} kB). It holds the beads and their histories; worktrees, ` +
          'mirrors and settings of hosts are not in it',
      );
      return exitCodes.fine;
    } catch (error) {
      if (error instanceof BackupProblem) throw failure(error.message, error.next ?? 'see `heartbead doctor`', error);
      const problem = fileProblem(error);
      if (problem === undefined) throw error;
      throw failure(
        `${target} was not written: ${problem.message}`,
        'name a file in a folder that you may write to, and have room there and in the state directory',
        error,
      );
    }
  },
});

export const restore = verb({
  name: 'restore',
  description:
    'put the database of a backup into this state directory, for the next `heartbead up`; nothing may run here',
  arguments: [argument('<file>', 'what `heartbead backup` wrote', file)],
  run: async (context, [given]) => {
    const { readRecord, writeRecord } = await import('../../client/records.js');
    const { BackupProblem, restoreInto } = await import('../../server/backup.js');
    const { openStateDirectory } = await import('../../host/index.js');
    const { isAlive } = await import('../local/processes.js');
    const { withFileLock } = await import('../../server/file-lock.mjs');
    const { packageVersion } = await import('../../version.js');
    const source = resolve(given);
    if (await isFolder(source))
      throw usageError(`${source} is a folder`, 'name the file that `heartbead backup` wrote');
    const { home } = await openStateDirectory(stateDirectory(context.io.env));
    const refuse = (message: string, next: string): CliError =>
      new CliError({ code: exitCodes.refused, message, next });
    return withFileLock(join(home, 'up.lock'), async () => {
      for (const kind of ['server', 'worker'] as const) {
        const record = await readRecord(home, kind);
        if (record !== undefined && isAlive(record))
          throw refuse(`the ${kind} of ${home} runs (pid ${record.pid})`, '`heartbead down` first');
      }
      const dbFile = join(home, 'temporal.db');
      if (await there(dbFile))
        throw refuse(
          `${home} has a database already`,
          'put temporal.db and what belongs to it (temporal.db-wal, temporal.db-journal) aside, or set ' +
            'HEARTBEAD_HOME to another folder',
        );
      try {
        const header = await restoreInto(source, home);
        const { namespace, taskQueue, address, version } = header;
        const ours = packageVersion();
        const before = await readRecord(home, 'server');
        // No process: only the names under which the next `up` has to start it.
        await writeRecord(home, 'server', {
          uiAddress: '',
          source: '',
          ...before,
          pid: 0,
          startTime: '',
          log: join(home, 'logs', 'server.log'),
          address,
          namespace,
          taskQueue,
          dbFile,
        });
        context.print(
          { home, takenAt: header.takenAt, version, namespace, taskQueue },
          `restored what was copied at ${new Date(header.takenAt).toISOString()}; \`heartbead up\` starts it. ` +
            'What hosts have done since, and worktrees of other hosts, are not in it: `heartbead problems` ' +
            'names the beads whose hosts are away' +
            (isLater(version, ours)
              ? `. Heartbead ${version} wrote it, and this is ${ours}, which may not go on with its workflows: ` +
                'install that version first'
              : ''),
        );
        return exitCodes.fine;
      } catch (error) {
        if (error instanceof BackupProblem) throw failure(error.message, error.next ?? 'take another backup', error);
        if (isMissing(error))
          throw new CliError({
            code: exitCodes.notFound,
            message: `there is no file ${source}`,
            next: 'check the path; `heartbead backup FILE` writes one',
          });
        throw error;
      }
    });
  },
});
