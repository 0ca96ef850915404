/** What the screen of `heartbead top` shows and what a key does: pure, so that each key is a line in a test. @module */
import type { BeadSummary } from '../../client/list.js';
import { isFinal } from '../../contract/index.js';
import type { Problem } from '../../domain/telling/problems.js';
import type { BeadFact, TownFacts } from '../../domain/telling/town-facts.js';
import { beadKeyAct, beadKeys, downKey, helpKeys, upKey } from '../../operator/bead-keys.js';

export const tabs = ['beads', 'problems', 'hosts', 'queue'] as const;
export type Tab = (typeof tabs)[number];

/** What a look at the town brought. */
export interface TopData {
  facts: TownFacts;
  summaries: BeadSummary[];
  problems: Problem[];
}

/** A page over the lists: the text of a bead, or of its agent's log. */
export interface Page {
  title: string;
  lines: string[];
  scroll: number;
}

export interface TopState {
  tab: Tab;
  /** The bead the keys are about. It stays the same one when the list moves. */
  selected?: string;
  page?: Page;
  /** A text is being typed for the agent of a bead. */
  nudge?: { bead: string; text: string };
  /** A cancel waits for its `y`. */
  confirm?: { bead: string };
  /** What came of the last command, or why a key did nothing. */
  said?: string;
  help: boolean;
}

/** What the screen asks the rest of the program to do. */
export type TopCommand =
  | { do: 'quit' }
  | { do: 'show' | 'logs' | 'pause' | 'resume' | 'retry' | 'cancel'; bead: string }
  | { do: 'nudge'; bead: string; text: string };

/** A key press: `name` for keys without a character. */
export interface Key {
  name?:
    'up' | 'down' | 'left' | 'right' | 'pageUp' | 'pageDown' | 'tab' | 'return' | 'escape' | 'backspace' | 'interrupt';
  text: string;
}

export const firstState: TopState = { tab: 'beads', help: false };
const nudgeChars = 500;

/** @returns the selected bead, or the first one when that is gone. */
export function selectedOf(state: TopState, data: TopData | undefined): BeadFact | undefined {
  return data?.facts.beads.find(({ bead }) => bead === state.selected) ?? data?.facts.beads[0];
}

/** One key. @returns the next state, and what is to be done. */
export function press(state: TopState, key: Key, data: TopData | undefined): { state: TopState; command?: TopCommand } {
  if (key.name === 'interrupt') return { state, command: { do: 'quit' } };
  if (state.nudge !== undefined) return typing(state, state.nudge, key);
  if (state.confirm !== undefined) return confirming(state, state.confirm.bead, key);
  if (state.page !== undefined) return reading(state, state.page, key);
  const { said: _, ...quiet } = state;
  if (state.help) return { state: { ...quiet, help: false } };
  if (key.text === 'q') return { state: quiet, command: { do: 'quit' } };
  if (helpKeys.some((help) => help === key.text)) return { state: { ...quiet, help: true } };
  if (key.name === 'tab' || key.name === 'right') return { state: { ...quiet, tab: turned(state.tab, 1) } };
  if (key.name === 'left') return { state: { ...quiet, tab: turned(state.tab, -1) } };
  const number = tabs[Number(key.text) - 1];
  if (key.text !== '' && number !== undefined) return { state: { ...quiet, tab: number } };
  const step =
    key.name === 'down' || key.text === downKey
      ? 1
      : key.name === 'up' || key.text === upKey
        ? -1
        : key.name === 'pageDown'
          ? 10
          : key.name === 'pageUp'
            ? -10
            : 0;
  if (step !== 0) return { state: moved(quiet, step, data) };
  return onBead(quiet, key, selectedOf(state, data));
}

const turned = (tab: Tab, by: number): Tab => tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length] ?? 'beads';

function moved(state: TopState, by: number, data: TopData | undefined): TopState {
  const beads = data?.facts.beads ?? [];
  const at = beads.findIndex(({ bead }) => bead === selectedOf(state, data)?.bead);
  const next = beads[Math.min(Math.max(at + by, 0), beads.length - 1)];
  return next === undefined ? state : { ...state, selected: next.bead };
}

function onBead(state: TopState, key: Key, fact: BeadFact | undefined): { state: TopState; command?: TopCommand } {
  const act = beadKeyAct(key.name === 'return' ? beadKeys.show.key : key.text);
  if (act === undefined) return { state };
  if (fact === undefined) return { state: { ...state, said: 'there is no bead' } };
  const { bead, view } = fact;
  const chosen = { ...state, selected: bead };
  if (act === 'show' || act === 'logs') return { state: chosen, command: { do: act, bead } };
  if (view !== undefined && isFinal(view.status))
    return { state: { ...chosen, said: `${bead} has ended (${view.status})` } };
  switch (act) {
    case 'nudge':
      return { state: { ...chosen, nudge: { bead, text: '' } } };
    case 'cancel':
      return { state: { ...chosen, confirm: { bead } } };
    case 'retry':
      return { state: chosen, command: { do: 'retry', bead } };
    case 'pause':
      return { state: chosen, command: { do: view?.paused === true ? 'resume' : 'pause', bead } };
  }
}

function typing(
  state: TopState,
  nudge: { bead: string; text: string },
  key: Key,
): { state: TopState; command?: TopCommand } {
  const { nudge: _, ...without } = state;
  switch (key.name) {
    case 'escape':
      return { state: { ...without, said: 'nothing was sent' } };
    case 'return': {
      const text = nudge.text.trim();
      return text === ''
        ? { state: { ...without, said: 'nothing was sent' } }
        : { state: without, command: { do: 'nudge', bead: nudge.bead, text } };
    }
    case 'backspace':
      return { state: { ...state, nudge: { ...nudge, text: [...nudge.text].slice(0, -1).join('') } } };
    case 'up':
    case 'down':
    case 'left':
    case 'right':
    case 'pageUp':
    case 'pageDown':
    case 'tab':
    case 'interrupt':
      return { state };
    case undefined:
      return {
        state: {
          ...state,
          nudge: {
            ...nudge,
            text: `${nudge.text}${key.text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')}`.slice(0, nudgeChars),
          },
        },
      };
  }
}

/** Only a `y` cancels. */
function confirming(state: TopState, bead: string, key: Key): { state: TopState; command?: TopCommand } {
  const { confirm: _, ...without } = state;
  return key.text === 'y'
    ? { state: without, command: { do: 'cancel', bead } }
    : { state: { ...without, said: `${bead} was left alone` } };
}

function reading(state: TopState, page: Page, key: Key): { state: TopState } {
  const step =
    key.name === 'down' || key.text === downKey
      ? 1
      : key.name === 'up' || key.text === upKey
        ? -1
        : key.name === 'pageDown' || key.text === ' '
          ? 15
          : key.name === 'pageUp'
            ? -15
            : 0;
  // A log begins at its end, wherever that is on this screen: the first step up counts from about there.
  const from = page.scroll > page.lines.length ? Math.max(page.lines.length - 21, 0) : page.scroll;
  if (step !== 0)
    return {
      state: {
        ...state,
        page: { ...page, scroll: Math.min(Math.max(from + step, 0), Math.max(page.lines.length - 1, 0)) },
      },
    };
  const { page: _, ...without } = state;
  return key.name === 'escape' || key.name === 'return' || key.text === 'q' ? { state: without } : { state };
}
