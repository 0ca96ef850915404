import type { JSX } from 'preact';
import { render } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { helpKeys } from '../../operator/bead-keys.js';
import type { About } from '../api-types.js';
import { BoardError, get, signIn } from './api.js';
import { BeadSheet } from './bead.js';
import { ChartsPage } from './charts.js';
import { ConvoyPage } from './convoy.js';
import { SlingPage } from './forms.js';
import { FrontPage } from './front.js';
import { keys } from './keys.js';
import { RigPage } from './rig.js';
import './style.css';
import { Ask, Empty, Link, ShellContext, TroubleNote, Words, useKeys } from './ui.js';
import type { Question, Shell } from './ui.js';

interface Route {
  path: string;
  search: string;
}
const here = (): Route => ({ path: location.pathname, search: location.search });

function App(): JSX.Element {
  const [route, setRoute] = useState(here);
  const [about, setAbout] = useState<About>();
  const [refusal, setRefusal] = useState<BoardError>();
  const [question, setQuestion] = useState<Question>();
  const [said, setSaid] = useState<{ text: string; kind: 'fine' | 'wrong'; at: number }>();
  const [help, setHelp] = useState(false);

  useEffect(() => {
    const moved = (): void => setRoute(here());
    addEventListener('popstate', moved);
    // The address of another start was pasted into this very page.
    const signedIn = (): void => {
      if (/token=/.test(location.hash)) location.reload();
    };
    addEventListener('hashchange', signedIn);
    return () => {
      removeEventListener('popstate', moved);
      removeEventListener('hashchange', signedIn);
    };
  }, []);
  const look = useCallback((): void => {
    signIn()
      .then(() => get<About>('/about'))
      .then(
        (found) => {
          setAbout(found);
          setRefusal(undefined);
        },
        (error: unknown) => {
          if (!(error instanceof BoardError)) throw error;
          setRefusal(error);
        },
      );
  }, []);
  useEffect(look, [look]);
  // A server that is away comes back; who is not known stays unknown.
  useEffect(() => {
    if (refusal === undefined || refusal.status === 401) return;
    const again = setTimeout(look, 2_000);
    return () => clearTimeout(again);
  }, [refusal, look]);
  useEffect(() => {
    if (said === undefined) return;
    const over = setTimeout(() => setSaid(undefined), said.kind === 'wrong' ? 15_000 : 6_000);
    return () => clearTimeout(over);
  }, [said]);
  const shell = useMemo(
    (): Shell => ({
      about,
      say: (text, kind = 'fine') => setSaid({ text, kind, at: Date.now() }),
      ask: setQuestion,
      go: (path) => {
        history.pushState(null, '', path);
        setRoute(here());
      },
    }),
    [about],
  );
  useKeys({
    ...Object.fromEntries(helpKeys.map((key) => [key, () => setHelp(true)])),
    f: () => shell.go('/'),
    g: () => shell.go('/charts'),
    '+': () => shell.go('/sling'),
  });
  useEffect(() => {
    document.title = `${titleOf(route.path)} · Heartbead`;
  }, [route.path]);

  return (
    <ShellContext.Provider value={shell}>
      <a class="skip" href="#main">
        to the content
      </a>
      <header class="top">
        <Link to="/" class="brand">
          <img src="/icon.svg" alt="" width="22" height="22" /> Heartbead
        </Link>
        <nav aria-label="pages">
          {[
            ['/', 'Fleet'],
            ['/charts', 'Charts'],
            ['/sling', 'Sling'],
          ].map(([to = '/', name]) => (
            <Link key={to} to={to} aria-current={route.path === to ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <span class="grow" />
        {about !== undefined && (
          <span
            class="where"
            title={`Temporal at ${about.address}, namespace ${about.namespace}; Heartbead ${about.version}`}
          >
            {about.readOnly && <span class="badge">read only</span>}
            <Words text={about.taskQueue} />
            {about.uiAddress !== undefined && (
              <a href={about.uiAddress} target="_blank" rel="noreferrer">
                Temporal
              </a>
            )}
          </span>
        )}
        <button type="button" class="button" onClick={() => setHelp(true)} title="key ?" aria-label="keys">
          ?
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        {refusal?.status === 401 ? (
          <Unknown />
        ) : refusal !== undefined && about === undefined ? (
          <TroubleNote message={refusal.message} next={refusal.next} />
        ) : about === undefined ? (
          <p class="loading">Connecting …</p>
        ) : (
          <Page route={route} />
        )}
      </main>
      <div class="said" role="status" aria-live="polite">
        {said !== undefined && (
          <p class={said.kind} key={said.at}>
            <Words text={said.text} />
          </p>
        )}
      </div>
      {question !== undefined && <Ask question={question} close={() => setQuestion(undefined)} />}
      {help && <Keys close={() => setHelp(false)} />}
    </ShellContext.Provider>
  );
}

function titleOf(path: string): string {
  const [, kind = '', id] = path.split('/');
  return id ?? (kind === '' ? 'Fleet' : kind[0]?.toUpperCase() + kind.slice(1));
}

function Page({ route: { path, search } }: { route: Route }): JSX.Element {
  const [, kind, id] = path.split('/');
  if (path === '/') return <FrontPage key={search} />;
  if (kind === 'bead' && id !== undefined) return <BeadSheet key={id} bead={id} search={search} />;
  if (kind === 'convoy' && id !== undefined) return <ConvoyPage key={id} convoy={id} />;
  if (kind === 'rig' && id !== undefined) return <RigPage key={id} rig={id} />;
  if (kind === 'charts') return <ChartsPage search={search} />;
  if (kind === 'sling') return <SlingPage search={search} />;
  return (
    <Empty>
      There is no such page. <Link to="/">To the fleet</Link>
    </Empty>
  );
}

const Unknown = (): JSX.Element => (
  <section class="unknown">
    <h1>The board does not know you</h1>
    <p>
      Each start of the board has a token of its own. Open the address that <code>heartbead up</code>,{' '}
      <code>npm start</code> or <code>heartbead board</code> printed; <code>heartbead board</code> prints that of the
      running one again, and <code>heartbead board --open</code> opens it.
    </p>
  </section>
);

function Keys({ close }: { close: () => void }): JSX.Element {
  const open = useCallback((dialog: HTMLDialogElement | null) => {
    if (dialog !== null && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog ref={open} onClose={close} aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl class="keys">
        {keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="row end">
        <button type="button" class="button main" onClick={(event) => event.currentTarget.closest('dialog')?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

const root = document.getElementById('board');
if (root !== null) render(<App />, root);
