import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { defaultPriority } from '../../contract/limits.js';
import type { RigNames } from '../api-types.js';
import { BoardError, get, post } from './api.js';
import { Button, TroubleNote, useShell } from './ui.js';

export function SlingPage({ search }: { search: string }): JSX.Element {
  const query = new URLSearchParams(search);
  const [rigs, setRigs] = useState<string[]>([]);
  useEffect(() => {
    // Only for the choices: without them the names can be typed.
    get<RigNames>('/rigs').then(
      ({ rigs: found }) => setRigs(found),
      () => undefined,
    );
  }, []);
  return (
    <div class="forms two">
      <SlingForm rigs={rigs} rig={query.get('rig') ?? ''} />
      <ConvoyForm rigs={rigs} rig={query.get('rig') ?? ''} />
    </div>
  );
}

const Field = ({
  label,
  hint,
  children,
}: {
  label: string;
  hint?: string;
  children: ComponentChildren;
}): JSX.Element => (
  <label class="field">
    <span>{label}</span>
    {children}
    {hint !== undefined && <small class="quiet">{hint}</small>}
  </label>
);

/** Sends a form, and keeps why it was refused. */
function useSend(make: () => Promise<void>): { send: () => Promise<void>; refusal: BoardError | undefined } {
  const [refusal, setRefusal] = useState<BoardError>();
  const send = async (): Promise<void> => {
    try {
      await make();
    } catch (error) {
      if (!(error instanceof BoardError)) throw error;
      setRefusal(error);
    }
  };
  return { send, refusal };
}

function Form({
  id,
  title,
  label,
  off,
  make,
  children,
}: {
  id: string;
  title: string;
  /** On the button that sends it. */
  label: string;
  off?: string | undefined;
  make: () => Promise<void>;
  children: ComponentChildren;
}): JSX.Element {
  const { send, refusal } = useSend(make);
  return (
    <form aria-labelledby={id} onSubmit={(event) => event.preventDefault()}>
      <h1 id={id}>{title}</h1>
      {children}
      {refusal !== undefined && <TroubleNote message={refusal.message} next={refusal.next} />}
      <div class="row end">
        <Button label={label} kind="main" onPress={send} off={off} />
      </div>
    </form>
  );
}

function SlingForm({ rigs, rig: first }: { rigs: string[]; rig: string }): JSX.Element {
  const { about, go, say } = useShell();
  const [form, setForm] = useState({
    title: '',
    body: '',
    rig: first,
    repo: '',
    base: '',
    agent: '',
    command: '',
    priority: String(defaultPriority),
  });
  const set =
    (name: keyof typeof form) =>
    (event: { currentTarget: { value: string } }): void =>
      setForm({ ...form, [name]: event.currentTarget.value });
  const given = (text: string): string | undefined => (text.trim() === '' ? undefined : text.trim());
  const make = async (): Promise<void> => {
    const { bead } = await post<{ bead: string }>('/beads', {
      title: form.title,
      body: given(form.body),
      rig: given(form.rig),
      repo: form.rig === '' ? given(form.repo) : undefined,
      base: given(form.base),
      agent: given(form.agent),
      command: form.agent === 'shell' || (form.agent === '' && form.rig === '') ? given(form.command) : undefined,
      priority: Number(form.priority),
    });
    say(`slung ${bead}`);
    go(`/bead/${bead}`);
  };
  return (
    <Form
      id="sling-title"
      title="Sling a bead"
      label="Sling"
      off={form.title.trim() === '' ? 'it needs a title' : undefined}
      make={make}
    >
      <Field label="Title" hint="what is to be done, in a line">
        <input required maxLength={200} value={form.title} onInput={set('title')} />
      </Field>
      <Field label="The whole task">
        <textarea rows={8} value={form.body} onInput={set('body')} />
      </Field>
      <div class="pair">
        <Field label="Rig" hint="grants the agent and merges the work">
          <select value={form.rig} onChange={set('rig')}>
            <option value="">none: a repository of its own</option>
            {[...new Set([...rigs, ...(first === '' ? [] : [first])])].map((rig) => (
              <option key={rig}>{rig}</option>
            ))}
          </select>
        </Field>
        {form.rig === '' && (
          <Field label="Repository" hint="a URL, or a path on this machine">
            <input value={form.repo} onInput={set('repo')} />
          </Field>
        )}
      </div>
      <div class="pair">
        <Field label="Agent">
          <select value={form.agent} onChange={set('agent')}>
            <option value="">{form.rig === '' ? 'a shell command' : 'the one of the rig'}</option>
            {about?.agents.map((agent) => (
              <option key={agent}>{agent}</option>
            ))}
          </select>
        </Field>
        <Field label="Priority">
          <select value={form.priority} onChange={set('priority')}>
            {['1', '2', '3', '4', '5'].map((priority) => (
              <option key={priority} value={priority}>
                {priority === '1' ? '1 (first)' : priority === '5' ? '5 (last)' : priority}
              </option>
            ))}
          </select>
        </Field>
      </div>
      {(form.agent === 'shell' || (form.agent === '' && form.rig === '')) && (
        <Field label="Command" hint="given to sh -c in the attempt’s worktree">
          <input value={form.command} onInput={set('command')} />
        </Field>
      )}
      <Field label="Branch to start from" hint="the default branch when empty">
        <input value={form.base} onInput={set('base')} />
      </Field>
    </Form>
  );
}

const example = (rig: string): string => `convoy: greeting
title: A better greeting
rig: ${rig === '' ? 'my-rig' : rig}
beads:
  - id: words
    title: Write the words
  - id: page
    title: Show them on the page
    needs: [words]
`;

function ConvoyForm({ rigs, rig }: { rigs: string[]; rig: string }): JSX.Element {
  const { go, say } = useShell();
  const [file, setFile] = useState<string>();
  const [staged, setStaged] = useState(true);
  const text = file ?? example(rig === '' ? (rigs[0] ?? '') : rig);
  const make = async (): Promise<void> => {
    const { convoy } = await post<{ convoy: string }>('/convoys', { file: text, staged });
    say(`made convoy ${convoy}`);
    go(`/convoy/${convoy}`);
  };
  return (
    <Form id="convoy-title" title="Draft a convoy" label={staged ? 'Make the draft' : 'Make and start it'} make={make}>
      <Field label="Its file, YAML or JSON" hint="each bead starts when all that it needs is merged">
        <textarea
          class="mono"
          rows={18}
          spellcheck={false}
          value={text}
          onInput={(event) => setFile(event.currentTarget.value)}
        />
      </Field>
      <label class="check">
        <input type="checkbox" checked={staged} onChange={(event) => setStaged(event.currentTarget.checked)} />
        staged: nothing starts before you press Start on its page
      </label>
    </Form>
  );
}
