import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { byLetter } from '../../operator/bead-keys.js';
import type { BeadPage as Bead, LogLines } from '../api-types.js';
import { BeadHead } from './bead-head.js';
import { beadActions } from './bead-keys.js';
import { ChecksTab, DetailsTab, MessagesTab, StoryTab } from './bead-tabs.js';
import { DiffTab } from './diff.js';
import { useListening } from './live.js';
import { LogTab, joined } from './log.js';
import { searchOf } from './text.js';
import { TroubleNote, useAct, useKeys, useShell } from './ui.js';

const tabs = [
  { id: 'story', name: 'Story', key: '1' },
  { id: 'diff', name: 'Diff', key: '2' },
  { id: 'log', name: 'Log', key: '3' },
  { id: 'checks', name: 'Checks', key: '4' },
  { id: 'messages', name: 'Messages and notes', key: '5' },
  { id: 'details', name: 'Details', key: '6' },
] as const;
type Tab = (typeof tabs)[number]['id'];

const tabOf = (search: string): Tab => {
  const named = new URLSearchParams(search).get('tab');
  return tabs.find(({ id }) => id === named)?.id ?? 'story';
};

export function BeadSheet({ bead, search }: { bead: string; search: string }): JSX.Element {
  const [page, setPage] = useState<Bead>();
  const [log, setLog] = useState<LogLines>();
  const tab = tabOf(search);
  const query = new URLSearchParams(search);
  const attempt = query.get('attempt') ?? '';
  const shell = useShell();
  const act = useAct();
  const heading = useRef<HTMLHeadingElement>(null);

  const trouble = useListening([`bead:${bead}`, ...(tab === 'log' ? [`log:${bead}:${attempt}`] : [])], {
    bead: setPage,
    log: (lines: LogLines) => setLog((before) => joined(before, lines)),
  });
  useEffect(() => setLog(undefined), [bead, tab === 'log', attempt]);
  useEffect(() => heading.current?.focus(), [bead]);

  const show = (to: Tab, more: Record<string, string> = {}): void =>
    shell.go(`/bead/${bead}?${searchOf({ tab: to, attempt, ...more }).toString()}`);
  const actions = beadActions(bead, page?.title ?? bead, act, shell.ask);
  useKeys({
    ...Object.fromEntries(tabs.map(({ id, key }) => [key, () => show(id)])),
    ...byLetter({
      show: () => show('story'),
      logs: () => show('log'),
      nudge: () => void actions.nudge(),
      pause: () => void (page?.state?.paused === true ? actions.resume() : actions.pause()),
      retry: () => void actions.retry(),
      cancel: () => void actions.cancel(),
    }),
    d: () => show('diff'),
    a: () => page?.refusals.approve === undefined && void actions.approve(),
    Escape: () => shell.go('/'),
  });

  if (page === undefined)
    return trouble === undefined ? <p class="loading">Asking {bead} …</p> : <TroubleNote {...trouble} />;
  const { state } = page;
  const attempts =
    state === undefined ? [] : [...state.attempts, ...(state.current === undefined ? [] : [state.current])];
  return (
    <article class="bead">
      {trouble !== undefined && <TroubleNote {...trouble} />}
      <BeadHead page={page} actions={actions} heading={heading} />
      <TabList page={page} tab={tab} attempt={attempt} attempts={attempts} show={show} />
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} class="panel">
        {tab === 'story' && <StoryTab page={page} />}
        {tab === 'diff' && <DiffTab page={page} attempt={attempt} marked={query.get('line') ?? undefined} />}
        {tab === 'log' && <LogTab log={log} page={page} />}
        {tab === 'checks' && <ChecksTab page={page} />}
        {tab === 'messages' && <MessagesTab page={page} />}
        {tab === 'details' && <DetailsTab page={page} />}
      </div>
    </article>
  );
}

function TabList(props: {
  page: Bead;
  tab: Tab;
  attempt: string;
  attempts: readonly { id: string; number: number }[];
  show: (tab: Tab, more?: Record<string, string>) => void;
}): JSX.Element {
  const { page, tab, attempt, attempts, show } = props;
  const { bead, state } = page;
  return (
    <div class="tabs">
      <div class="tab-list" role="tablist" aria-label={`about ${bead}`}>
        {tabs.map(({ id, name, key }) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-selected={tab === id}
            aria-controls="tab-panel"
            tabIndex={tab === id ? 0 : -1}
            title={`key ${key}`}
            onClick={() => show(id)}
            onKeyDown={(event) => {
              const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
              if (by === 0) return;
              event.preventDefault();
              const next = tabs[(tabs.findIndex((one) => one.id === id) + by + tabs.length) % tabs.length];
              if (next === undefined) return;
              show(next.id);
              document.getElementById(`tab-${next.id}`)?.focus();
            }}
          >
            {name}
            {id === 'messages' && state !== undefined && state.messages.length > 0 && (
              <span class="count">{state.messages.length}</span>
            )}
          </button>
        ))}
      </div>
      {(tab === 'diff' || tab === 'log') && attempts.length > 1 && (
        <select
          aria-label="attempt"
          value={attempt}
          onChange={(event) => show(tab, { attempt: event.currentTarget.value })}
        >
          <option value="">newest attempt</option>
          {attempts.map(({ id, number }) => (
            <option key={id} value={id}>
              attempt {number}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
