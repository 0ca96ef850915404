import type { Colors } from 'picocolors/types.js';
import type { MatchedLines, TrialRun } from '../../runner/agent/agent-trial.js';
import { counted, durationText } from '../../domain/words.js';
import { oneLine, table } from './format.js';

const meanings = {
  progress: 'progress: the bead gets on',
  life: 'life: feeds no progress clock',
  session: 'id of the conversation',
  usage: 'tokens, costs or turns',
  rate_limited: 'its provider refuses for now',
  auth_failed: 'its provider does not know it',
  out_of_credit: 'its provider wants to be paid',
  end: 'how it ended',
  nothing: 'nothing that is looked for',
} as const;

/** @returns what the runs of an agent program have shown, as text. */
export function agentTestPage(name: string, runs: readonly TrialRun[], c: Colors): string {
  return runs.map((run, index) => runPage(name, run, index, c)).join('\n\n');
}

function runPage(name: string, run: TrialRun, index: number, c: Colors): string {
  const good = run.outcome === 'done';
  const facts: [string, string][] = [
    ['end', `${run.outcome}: ${oneLine(run.reason, 500)}`],
    ['exit', run.exit?.signal ?? `status ${run.exit?.code ?? 'unknown'}`],
    ['conversation', run.session ?? 'no id was told: the next attempt begins a new one'],
    [
      'usage',
      run.usage === undefined
        ? 'none was told: budgets and costs do not know it'
        : `${run.usage.inputTokens} tokens read (${run.usage.cachedTokens} of them cached), ` +
          `${run.usage.outputTokens} written, ${run.usage.turns} turns, ${run.usage.costUsd} USD`,
    ],
    [
      'calls',
      Object.entries(run.calls)
        .map(([call, times]) => `${call} ×${times}`)
        .join(', ') || 'none: it did not call `heartbead agent`',
    ],
    ['commits', String(run.commits)],
    [
      'left behind',
      run.left.length === 0
        ? 'nothing'
        : `${run.left
            .slice(0, 8)
            .map((line) => oneLine(line, 80))
            .join(
              ', ',
            )}${run.left.length > 8 ? ` and ${run.left.length - 8} more` : ''} (saves of an attempt push these)`,
    ],
  ];
  if (run.refusals.length > 0)
    facts.push(['refusals', run.refusals.map(({ kind, text }) => `${kind}: ${oneLine(text, 120)}`).join('; ')]);
  if (run.leftProcesses > 0)
    facts.push(['processes', `${counted(run.leftProcesses, 'process')} outlived it and was ended`]);
  return [
    `${c.bold(name)}${index === 0 ? '' : ', once more in the same conversation'}: ` +
      `${good ? c.green('works') : c.red('does not close a bead')} (${durationText(run.took)})`,
    table(['', ''], facts, c),
    ...linesPage('stdout', run.stdout, c),
    ...linesPage('stderr', run.stderr, c),
    ...advice(run).map((text) => c.yellow(`! ${text}`)),
  ].join('\n');
}

function linesPage(stream: string, sheet: MatchedLines, c: Colors): string[] {
  if (sheet.lines === 0) return [`${stream}: no lines`];
  const kinds = (Object.keys(meanings) as (keyof typeof meanings)[]).filter((kind) => sheet.events[kind] !== undefined);
  return [
    `${stream}: ${counted(sheet.lines, 'line')}`,
    table(
      ['UNDERSTOOD AS', 'LINES', 'THE FIRST OF THEM'],
      kinds.map((kind) => [meanings[kind], String(sheet.events[kind]), oneLine(sheet.samples[kind]?.[0] ?? '', 90)]),
      c,
    ),
  ];
}

/** What most likely has to be changed in the entry. */
function advice(run: TrialRun): string[] {
  const found: string[] = [];
  const { stdout } = run;
  const progress = (stdout.events.progress ?? 0) + (run.stderr.events.progress ?? 0);
  if (stdout.lines > 0 && progress === 0)
    found.push(
      'no line was progress: fields.text or fields.tool do not match, and an attempt would be stopped as stalled',
    );
  if (run.outcome === 'unreported' && run.commits > 0)
    found.push(
      'it has committed and not reported: a program that cannot run `heartbead agent done` needs `onExit: report`',
    );
  else if (run.outcome === 'unreported' && run.left.length > 0)
    found.push('it has worked and not committed: a program that cannot do either needs `onExit: commit and report`');
  if (run.outcome === 'agent_failed' && run.refusals.length === 0)
    found.push('if that was its provider: a pattern in `refusals` makes it a wait, or a login that is asked for');
  if (run.resumed && run.outcome !== 'done')
    found.push('the conversation could not go on in a new folder: without `resume` each attempt begins a new one');
  return found;
}
