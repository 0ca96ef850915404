/** Small parts that all pages use. */
import type { ComponentChildren, JSX } from 'preact';
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { About, Remedy } from '../api-types.js';
import { BoardError, post } from './api.js';
import { exact, lasting, relativeTime, statusLabels, visible } from './text.js';

export interface Shell {
  about: About | undefined;
  say: (text: string, kind?: 'fine' | 'wrong') => void;
  ask: (question: Question) => void;
  go: (path: string) => void;
}
/** Asks for a text, or for a yes. */
export interface Question {
  title: string;
  text: string;
  /** Absent: only a yes is wanted. */
  field?: string;
  yes: string;
  danger?: boolean;
  then: (text: string) => void;
}
const nowhere = (): void => undefined;
export const ShellContext = createContext<Shell>({ about: undefined, say: nowhere, ask: nowhere, go: nowhere });
export const useShell = (): Shell => useContext(ShellContext);

const ticks = new Set<() => void>();
setInterval(() => {
  if (!document.hidden) for (const tick of ticks) tick();
}, 1_000);

/** The time, every second. */
export function useNow(): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const tick = (): void => set(Date.now());
    ticks.add(tick);
    return () => void ticks.delete(tick);
  }, []);
  return now;
}

/** A time as people say it; the exact one on hover. */
export function Ago({ at, prefix = '' }: { at: number; prefix?: string }): JSX.Element {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)}>
      {prefix}
      {relativeTime(at, now)}
    </time>
  );
}
export function For({ since, until }: { since: number; until?: number | undefined }): JSX.Element {
  const now = useNow();
  return (
    <time dateTime={new Date(since).toISOString()} title={`since ${exact(since)}`}>
      {lasting((until ?? now) - since)}
    </time>
  );
}

/** What an agent or a person wrote: text, whatever it holds. */
export const Words = ({ text, class: name }: { text: string; class?: string }): JSX.Element => (
  <bdi class={name}>{visible(text)}</bdi>
);

export const StatusMark = ({ status }: { status: string }): JSX.Element => (
  <span class={`badge s-${status.replace(' ', '-')}`}>{statusLabels[status] ?? status}</span>
);
/** @param unheard a pause was ordered, and its host has not confirmed it. */
export const Agent = ({
  agent,
  unheard = false,
}: {
  agent: string;
  unheard?: boolean | undefined;
}): JSX.Element | null =>
  agent === 'none' ? null : (
    <span class={`agent a-${agent}`}>{agent === 'paused' && unheard ? 'to be paused' : agent}</span>
  );

export function Link({
  to,
  children,
  ...rest
}: {
  to: string;
  children: ComponentChildren;
  class?: string;
  title?: string | undefined;
  'aria-current'?: 'page' | undefined;
  'aria-label'?: string;
  'data-bead'?: string;
}): JSX.Element {
  const { go } = useShell();
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** A request that a button makes; what came of it is said. */
export function useAct(): (path: string, body?: object) => Promise<boolean> {
  const { say } = useShell();
  return async (path, body) => {
    try {
      const { text } = await post<{ text?: string }>(path, body);
      say(text ?? 'done');
      return true;
    } catch (error) {
      if (!(error instanceof BoardError)) throw error;
      say(error.next === undefined ? error.message : `${error.message} (${error.next})`, 'wrong');
      return false;
    }
  };
}

export function Button({
  label,
  onPress,
  off,
  kind = '',
  keys,
}: {
  label: string;
  onPress: () => unknown;
  /** Why it cannot be pressed now. */
  off?: string | undefined;
  kind?: '' | 'main' | 'danger';
  keys?: string;
}): JSX.Element {
  const [busy, setBusy] = useState(false);
  const { about } = useShell();
  const why = about?.readOnly === true ? 'this board only shows (--read-only)' : off;
  return (
    <button
      type="button"
      class={`button ${kind}`}
      aria-disabled={why !== undefined || busy}
      title={why ?? (keys === undefined ? undefined : `key ${keys}`)}
      onClick={() => {
        if (why !== undefined || busy) return;
        setBusy(true);
        void Promise.resolve(onPress()).finally(() => setBusy(false));
      }}
    >
      {label}
    </button>
  );
}

/** The one button that helps. */
export function RemedyButton({ remedy, title }: { remedy: Remedy; title: string }): JSX.Element {
  const act = useAct();
  const { ask, say } = useShell();
  switch (remedy.do) {
    case 'open':
      return (
        <Link class="button" to={remedy.path}>
          {remedy.label}
        </Link>
      );
    case 'type':
      return (
        <button
          type="button"
          class="button command"
          title="copy this command"
          onClick={() =>
            void navigator.clipboard.writeText(remedy.command).then(
              () => say(`copied: ${remedy.command}`),
              () => say(`type it in a terminal: ${remedy.command}`),
            )
          }
        >
          <code>{remedy.command}</code>
        </button>
      );
    case 'nudge':
      return (
        <Button
          label={remedy.label}
          kind="main"
          onPress={() =>
            ask({
              title: 'Answer the agent',
              text: title,
              field: 'What it is to know',
              yes: 'Send',
              then: (text) => void act(`/beads/${remedy.bead}/nudge`, { text }),
            })
          }
        />
      );
    case 'resume-rig':
      return <Button label={remedy.label} kind="main" onPress={() => act(`/rigs/${remedy.rig}/resume`)} />;
    case 'start-convoy':
      return <Button label={remedy.label} kind="main" onPress={() => act(`/convoys/${remedy.convoy}/start`)} />;
    case 'resume-convoy':
      return <Button label={remedy.label} kind="main" onPress={() => act(`/convoys/${remedy.convoy}/resume`)} />;
    case 'retry-in-convoy':
      return (
        <Button
          label={remedy.label}
          kind="main"
          onPress={() => act(`/convoys/${remedy.convoy}/retry`, { id: remedy.id })}
        />
      );
    case 'retry':
    case 'approve':
    case 'resume':
      return <Button label={remedy.label} kind="main" onPress={() => act(`/beads/${remedy.bead}/${remedy.do}`)} />;
  }
}

/** A dialog of the browser's own: it keeps the focus, and Escape closes it. */
export function Ask({ question, close }: { question: Question; close: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    field.current?.focus();
    // Closed by the browser itself, so that the focus goes back to where it was.
    return () => shown?.close();
  }, []);
  const done = (): void => {
    const text = field.current?.value.trim() ?? '';
    if (question.field !== undefined && text === '') {
      field.current?.focus();
      return;
    }
    close();
    question.then(text);
  };
  return (
    <dialog ref={dialog} onCancel={close} aria-labelledby="ask-title">
      <h2 id="ask-title">{question.title}</h2>
      <p>
        <Words text={question.text} />
      </p>
      {question.field !== undefined && (
        <label>
          {question.field}
          <textarea
            ref={field}
            rows={4}
            maxLength={1_900}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) done();
            }}
          />
        </label>
      )}
      <div class="row end">
        <button type="button" class="button" onClick={close}>
          Leave it
        </button>
        <button type="button" class={`button ${question.danger === true ? 'danger' : 'main'}`} onClick={done}>
          {question.yes}
        </button>
      </div>
    </dialog>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }): JSX.Element => <p class="empty">{children}</p>;

export const TroubleNote = ({ message, next }: { message: string; next?: string | undefined }): JSX.Element => (
  <div class="trouble" role="alert">
    <strong>
      <Words text={message} />
    </strong>
    {next !== undefined && (
      <span>
        <Words text={next} />
      </span>
    )}
  </div>
);

/** Keys that act on the page, and never while somebody types. */
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const at = event.target as HTMLElement;
      if (at.closest('input, textarea, select, dialog, [contenteditable]') !== null) return;
      const act = latest.current[event.key];
      if (act === undefined) return;
      if (event.key === 'Enter' && at.closest('a, button, summary') !== null) return;
      event.preventDefault();
      act(event);
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}
