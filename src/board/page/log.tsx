import Anser from 'anser';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { BeadPage, LogLines } from '../api-types.js';
import { attemptLabel, plural } from './text.js';
import { Empty, Words } from './ui.js';

/** So many lines are kept on the page. */
const mostLines = 5_000;

/** @returns what is shown after new lines have come. */
export function joined(before: LogLines | undefined, next: LogLines): LogLines {
  const lines = next.reset || before === undefined ? next.lines : [...before.lines, ...next.lines];
  return { ...next, lines: lines.slice(-mostLines) };
}

/** Colours become classes, all else of a terminal's language is taken out, and the rest is text. */
export function LogLine({ line: { text, cut } }: { line: { text: string; cut?: number } }): JSX.Element {
  const pieces = text.includes('\u001b')
    ? Anser.ansiToJson(text, { json: true, remove_empty: true, use_classes: true })
    : undefined;
  return (
    <div class="line">
      {pieces === undefined ? (
        <Words text={text} />
      ) : (
        pieces.map((piece, at) => <Words key={at} text={piece.content} class={classesOf(piece)} />)
      )}
      {cut !== undefined && <em class="quiet"> … {cut.toLocaleString()} more characters</em>}
    </div>
  );
}

interface Piece {
  fg: string | null;
  bg: string | null;
  decorations: string[];
}
/** Only names that our style sheet knows: what an agent prints chooses nothing else. */
const classesOf = ({ fg, bg, decorations }: Piece): string =>
  [fg, bg === null ? null : `${bg}-bg`, ...decorations.map((name) => `ansi-${name}`)]
    .filter((name) => name !== null && /^ansi-[a-z-]+$/.test(name))
    .join(' ');

export function LogTab({ log, page }: { log: LogLines | undefined; page: BeadPage }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [follow, setFollow] = useState(true);
  useEffect(() => {
    if (follow && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [log, follow]);
  if (log === undefined)
    return page.state !== undefined && page.state.attemptCount === 0 ? (
      <Empty>it has had no attempt yet, so nobody has written anything</Empty>
    ) : (
      <p class="loading">Reading the log …</p>
    );
  return (
    <div class="log-tab">
      {log.elsewhere !== undefined && (
        <p class="warn">
          The log of attempt {attemptLabel(log.attempt)} cannot be read now: <Words text={log.elsewhere} />
        </p>
      )}
      {log.elsewhere === undefined && log.lines.length === 0 && <Empty>the agent has not written anything yet</Empty>}
      {log.lines.length > 0 && (
        <>
          <div class="row">
            <span class="quiet">
              attempt {attemptLabel(log.attempt)}
              {log.host === undefined ? '' : ` on host ${log.host}`}, the last {plural(log.lines.length, 'line')}
              {log.ended ? '; it has ended' : ''}
            </span>
            <span class="grow" />
            <label class="check">
              <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} />
              follow
            </label>
          </div>
          <div
            class="log tall"
            ref={box}
            tabIndex={0}
            role="log"
            aria-label="output of the agent"
            onScroll={(event) => {
              const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
              setFollow(scrollHeight - scrollTop - clientHeight < 40);
            }}
          >
            {log.lines.map((line, at) => (
              <LogLine key={at} line={line} />
            ))}
          </div>
        </>
      )}
    </div>
  );
}
