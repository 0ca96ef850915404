import { z } from 'zod';
import { stateDirectory } from '../../client/home.js';
import { Keys, PayloadSeal, keySource } from '../../codec/index.js';
import type { Context } from '../context.js';
import { exitCodes, usageError } from '../exit.js';
import { readText } from '../read-text.js';
import { argument, verb } from '../verb.js';
import { NoHistoryError, parseHistory } from '../replay/read-history.js';
import type { RecordedHistory } from '../replay/read-history.js';
import type { ReplayVerdict } from '../replay/replay-history.js';

/** The server ends a workflow whose history has 50 MB; base64 and the names of the fields make more of it. */
const fileBytes = 256 * 1024 * 1024;

/** What a person can do about a workflow whose history does not replay. */
const whatToDo =
  'keep a worker of the version that wrote this history until the workflow has ended, and do not put this ' +
  'version in service for it; or guard what was changed with patched() and replay again';

type FileVerdict = {
  file: string;
  workflowType: string;
  workflowId?: string;
  runId: string;
  events: number;
} & ReplayVerdict & { next?: string };

export const replay = verb({
  name: 'replay',
  description:
    "replay recorded workflow histories with this version's workflows, without a server: does this version go on " +
    'where another one was?',
  arguments: [
    argument(
      '<files...>',
      'histories as `temporal workflow show --output json` and the Web UI write them; - reads one from stdin',
      z.array(z.string()),
    ),
  ],
  run: async (context, [files]) => {
    // All are read before the first is replayed: what cannot be meant is refused as a whole.
    const histories: { file: string; history: RecordedHistory }[] = [];
    for (const file of files) histories.push({ file: file === '-' ? 'stdin' : file, history: await read(file) });
    const [{ default: pino }, { installRuntime }, { builtWorkflowBundle }, { replayHistories }] = await Promise.all([
      import('pino'),
      import('../../worker/runtime.js'),
      import('../../worker/bundle.js'),
      import('../replay/replay-history.js'),
    ]);
    // The SDK would tell the same once more, in its own words.
    installRuntime(pino({ level: 'silent' }));
    const source = keySource(context.io.env, stateDirectory(context.io.env));
    const keys = source === undefined ? undefined : new Keys(source);
    const verdicts = await replayHistories(
      histories.map(({ history }) => history),
      { workflowBundle: builtWorkflowBundle(), dataConverter: { payloadCodecs: [new PayloadSeal(keys)] } },
    );
    const told = histories.map(({ file, history: { workflowType, workflowId, runId, events } }, index): FileVerdict => {
      const verdict = verdicts[index] as ReplayVerdict;
      return {
        file,
        workflowType,
        workflowId,
        runId,
        events: events.length,
        ...verdict,
        next: verdict.replays ? undefined : whatToDo,
      };
    });
    const replays = verdicts.every((verdict) => verdict.replays);
    if (context.json) context.print({ replays, files: told }, '');
    else for (const verdict of told) print(context, verdict);
    return replays ? exitCodes.fine : exitCodes.failed;
  },
});

async function read(file: string): Promise<RecordedHistory> {
  const text = await readText(file, fileBytes, 'a history');
  try {
    return parseHistory(text);
  } catch (error) {
    if (!(error instanceof NoHistoryError)) throw error;
    throw usageError(
      `${file === '-' ? 'stdin' : file} is no history that can be replayed: ${error.message}`,
      error.next,
    );
  }
}

function print({ io }: Context, verdict: FileVerdict): void {
  const { file, workflowType, events } = verdict;
  if (verdict.replays) return io.out(`${file}: ${io.colors.green('replays')} (${workflowType}, ${events} events)`);
  const where = verdict.event === undefined ? '' : ` at event ${verdict.event.id} (${verdict.event.type})`;
  io.out(
    `${file}: ${io.colors.red('does not replay')}: this version does something else than what was ` +
      `recorded${where}: ${verdict.problem}`,
  );
  io.out(`  next: ${whatToDo}`);
}
