import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { shortSha } from '../../domain/words.js';
import type { BeadPage, DiffAnswer, DiffFile, DiffHunk, DiffLine } from '../api-types.js';
import type { LineComment } from '../line-comments.js';
import { BoardError, get } from './api.js';
import { lineName, linePath, showsLine } from './line-name.js';
import { attemptLabel, plural, searchOf, visible } from './text.js';
import { Button, Empty, Link, TroubleNote, Words, useAct } from './ui.js';

/** A longer file is folded at first. */
const foldedAbove = 400;

/** The heads of page and file cover so much of what scrolls below them. */
const roomAbove = 90;

const sources = {
  branch: 'the pushed branch against its base',
  saved: 'the newest saved work against its base',
  live: 'the working tree as it is now against its base',
  landed: 'what its merge brought onto the target',
} as const;

/** @returns whether nothing is left out above a hunk: it begins with the first line, as that of an added file does. */
const beginsFile = ({ lines: [first] }: DiffHunk): boolean => (first?.new ?? first?.old) === 1;

type Draft = LineComment & { key: string };

/** @param props `marked` is the name of the line that the address points to */
export function DiffTab({
  page,
  attempt,
  marked,
}: {
  page: BeadPage;
  attempt: string;
  marked: string | undefined;
}): JSX.Element {
  const [diff, setDiff] = useState<DiffAnswer>();
  const [refusal, setRefusal] = useState<BoardError>();
  const [asked, setAsked] = useState(0);
  const [fetch, setFetch] = useState(false);
  const [drafts, setDrafts] = useDrafts(page.bead);
  const [open, setOpen] = useState<string>();
  const act = useAct();
  const reach = useReached(marked);
  const { state } = page;
  // A push, a new save or a new attempt is something new to see; a working tree changes without a word.
  const key =
    `${attempt} ${state?.attemptCount ?? 0} ${state?.sha ?? ''} ${state?.current?.checkpoint?.sha ?? ''} ` +
    `${state?.current === undefined} ${state?.landing?.mergedSha ?? ''}`;
  useEffect(() => {
    const stop = new AbortController();
    const query = searchOf({ attempt, fetch: fetch ? '1' : '' });
    get<DiffAnswer>(`/beads/${page.bead}/diff?${query.toString()}`, stop.signal).then(
      (found) => {
        setDiff(found);
        setRefusal(undefined);
      },
      (error: unknown) => {
        if (error instanceof BoardError) setRefusal(error);
        else if (!stop.signal.aborted) throw error;
      },
    );
    return () => stop.abort();
  }, [page.bead, key, asked, fetch]);

  const send = async (): Promise<void> => {
    const comments = drafts.map(({ key: _, ...comment }) => comment);
    const path = page.refusals['request-changes'] === undefined ? 'request-changes' : 'nudge';
    if (await act(`/beads/${page.bead}/${path}`, { comments })) setDrafts([]);
  };
  if (refusal !== undefined && diff === undefined)
    return (
      <div>
        <TroubleNote message={refusal.message} next={refusal.next} />
        {refusal.message.startsWith('this machine has no copy') && (
          <button type="button" class="button" onClick={() => setFetch(true)}>
            Fetch the repository
          </button>
        )}
      </div>
    );
  if (diff === undefined) return <p class="loading">Comparing …</p>;
  const mayComment = page.refusals['request-changes'] === undefined || page.refusals.nudge === undefined;
  return (
    <div class="diff">
      <div class="row wrap">
        <span>
          {plural(diff.files.length + diff.moreFiles, 'file')}, <span class="plus">+{diff.added}</span>{' '}
          <span class="minus">−{diff.removed}</span>
        </span>
        <span class="quiet">
          attempt {attemptLabel(diff.attempt)}
          {diff.host === undefined ? '' : ` on host ${diff.host}`}: {sources[diff.source]}{' '}
          <code>{shortSha(diff.base)}</code>
        </span>
        <span class="grow" />
        <button type="button" class="button" onClick={() => setAsked(asked + 1)}>
          Compare again
        </button>
      </div>
      {refusal !== undefined && <TroubleNote message={refusal.message} next={refusal.next} />}
      {diff.note !== undefined && (
        <p class="warn">
          <Words text={diff.note} />
        </p>
      )}
      {marked !== undefined && !diff.files.some((file) => showsLine(file, marked)) && (
        <p class="warn">
          the line <Words text={marked} /> that the address points to is not in this diff
        </p>
      )}
      {diff.files.length === 0 && <Empty>nothing differs from the base</Empty>}
      {diff.files.map((file) => (
        <FileView
          key={file.path}
          file={file}
          drafts={drafts}
          open={open}
          mayComment={mayComment}
          marked={marked}
          reach={reach}
          addressOf={(name) => linePath(page.bead, diff.attempt, name)}
          onOpen={setOpen}
          onSave={(draft) => {
            setDrafts([...drafts.filter((other) => other.key !== draft.key), ...(draft.text === '' ? [] : [draft])]);
            setOpen(undefined);
          }}
        />
      ))}
      {diff.moreFiles > 0 && <p class="quiet">{diff.moreFiles} more files are not shown.</p>}
      {drafts.length > 0 && (
        <div class="review" role="region" aria-label="your comments">
          <span>{plural(drafts.length, 'comment')} not sent yet</span>
          <span class="grow" />
          <button type="button" class="button" onClick={() => setDrafts([])}>
            Discard
          </button>
          <Button
            label={page.refusals['request-changes'] === undefined ? 'Request changes' : 'Send to the agent'}
            kind="main"
            onPress={send}
            off={mayComment ? undefined : page.refusals.nudge}
          />
        </div>
      )}
    </div>
  );
}

/** Comments outlive a reload of the page, until they are sent. */
function useDrafts(bead: string): [Draft[], (drafts: Draft[]) => void] {
  const name = `comments ${bead}`;
  const [drafts, set] = useState<Draft[]>(() => {
    try {
      return JSON.parse(sessionStorage.getItem(name) ?? '[]') as Draft[];
    } catch (error) {
      if (error instanceof SyntaxError) return [];
      throw error;
    }
  });
  return [
    drafts,
    (next) => {
      sessionStorage.setItem(name, JSON.stringify(next));
      set(next);
    },
  ];
}

/**
 * @returns brings the marked line onto the screen, once: whoever reads on is not taken back when the diff is told anew,
 * and a line that can be seen stays where it is.
 */
function useReached(marked: string | undefined): (line: HTMLElement) => void {
  const reached = useRef<string | undefined>(undefined);
  if (marked === undefined) reached.current = undefined;
  return (line) => {
    if (reached.current === marked) return;
    reached.current = marked;
    const { top, bottom } = line.getBoundingClientRect();
    if (top < roomAbove || bottom > innerHeight) line.scrollIntoView({ block: 'center' });
  };
}

interface Marking {
  marked: string | undefined;
  reach: (line: HTMLElement) => void;
  addressOf: (name: string) => string;
}
interface Commenting {
  drafts: Draft[];
  open: string | undefined;
  mayComment: boolean;
  onOpen: (key: string | undefined) => void;
  onSave: (draft: Draft) => void;
}

function FileView({ file, ...more }: { file: DiffFile } & Commenting & Marking): JSX.Element {
  const lines = file.hunks?.reduce((sum, hunk) => sum + hunk.lines.length, 0) ?? 0;
  const [unfolded, setUnfolded] = useState(lines <= foldedAbove);
  const holdsMarked = more.marked !== undefined && showsLine(file, more.marked);
  useEffect(() => {
    if (holdsMarked) setUnfolded(true);
  }, [holdsMarked, more.marked]);
  return (
    <details class="file" open={unfolded} onToggle={(event) => setUnfolded(event.currentTarget.open)}>
      <summary>
        <span class={`change ch-${file.change}`}>{file.change}</span>
        <span class="path">
          {file.from !== undefined && (
            <>
              <Words text={file.from} /> →{' '}
            </>
          )}
          <Words text={file.path} />
        </span>
        <span class="grow" />
        <span class="plus">+{file.added}</span> <span class="minus">−{file.removed}</span>
      </summary>
      {file.binary && <p class="quiet">a binary file</p>}
      {!file.binary && file.hunks === undefined && (
        <p class="quiet">too long to be shown here: look at the branch itself</p>
      )}
      {unfolded && file.hunks !== undefined && file.hunks.length > 0 && (
        <table class="code" aria-label={`changes of ${visible(file.path)}`}>
          <colgroup>
            <col class="number" />
            <col class="number" />
            <col />
          </colgroup>
          <tbody>
            {file.hunks.map((hunk, at) => [
              !beginsFile(hunk) && (
                <tr key={`head ${at}`} class="hunk">
                  <td colSpan={3}>
                    <Words text={hunk.head === '' ? '…' : `… ${hunk.head}`} />
                  </td>
                </tr>
              ),
              ...hunk.lines.map((line) => (
                <LineView key={lineName(file.path, line)} file={file} line={line} {...more} />
              )),
            ])}
          </tbody>
        </table>
      )}
    </details>
  );
}

function LineView({
  file,
  line,
  drafts,
  open,
  mayComment,
  marked,
  reach,
  addressOf,
  onOpen,
  onSave,
}: { file: DiffFile; line: DiffLine } & Commenting & Marking): JSX.Element {
  const key = lineName(file.path, line);
  const row = useRef<HTMLTableRowElement>(null);
  const isMarked = key === marked;
  useEffect(() => {
    if (isMarked && row.current !== null) reach(row.current);
  }, [isMarked]);
  const draft = drafts.find((one) => one.key === key);
  const number = line.kind === '-' ? line.old : line.new;
  const rows = [
    <tr
      key="line"
      ref={row}
      class={`${line.kind === '+' ? 'added' : line.kind === '-' ? 'removed' : ''} ${isMarked ? 'marked' : ''}`}
      aria-current={isMarked ? 'location' : undefined}
    >
      <td class="number">
        <Link
          to={addressOf(key)}
          title="the address of this line"
          aria-label={`link to ${line.kind === '-' ? 'old ' : ''}line ${number ?? 0}`}
        >
          {line.old ?? '·'}
        </Link>
      </td>
      <td class="number">
        {mayComment ? (
          <button
            type="button"
            title="comment this line"
            aria-label={`comment line ${number ?? 0}`}
            onClick={() => onOpen(key)}
          >
            {line.new ?? '·'}
          </button>
        ) : (
          line.new
        )}
      </td>
      <td class="text">
        <span class="sign" aria-hidden="true">
          {line.kind}
        </span>
        <Words text={line.text} />
        {line.cut !== undefined && <em class="quiet"> … {line.cut.toLocaleString()} more characters</em>}
      </td>
    </tr>,
  ];
  if (open === key || draft !== undefined)
    rows.push(
      <tr key="comment" class="comment">
        <td colSpan={3}>
          {open === key ? (
            <CommentBox
              text={draft?.text ?? ''}
              close={() => onOpen(undefined)}
              save={(text) =>
                onSave({
                  key,
                  path: file.path,
                  line: number ?? 1,
                  side: line.kind === '-' ? 'old' : 'new',
                  code: line.text.slice(0, 200),
                  text,
                })
              }
            />
          ) : (
            <button type="button" class="draft" onClick={() => onOpen(key)} aria-label="change this comment">
              <Words text={draft?.text ?? ''} />
            </button>
          )}
        </td>
      </tr>,
    );
  return <>{rows}</>;
}

function CommentBox({
  text,
  save,
  close,
}: {
  text: string;
  save: (text: string) => void;
  close: () => void;
}): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const done = (): void => save(field.current?.value.trim() ?? '');
  return (
    <div class="comment-box">
      <textarea
        ref={field}
        rows={3}
        maxLength={1_500}
        aria-label="comment on this line"
        onKeyDown={(event) => {
          if (event.key === 'Escape') close();
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) done();
        }}
      >
        {text}
      </textarea>
      <div class="row end">
        <button type="button" class="button" onClick={close}>
          Leave it
        </button>
        <button type="button" class="button main" onClick={done}>
          Comment
        </button>
      </div>
    </div>
  );
}
