import { Box, Text, useApp, useInput, useStdout } from 'ink';
import { createElement as h, useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import { errorMessage } from '../../edge/errors.js';
import { screen } from './screen.js';
import { firstState, press } from './state.js';
import type { Key, Page, TopCommand, TopData, TopState } from './state.js';

export interface TopProps {
  /** Address and namespace, for the head of the screen. */
  where: string;
  colors: boolean;
  /** Looks at the town; rejects only when it never will succeed. Undefined: the server does not answer now. */
  look: () => Promise<TopData | undefined>;
  /** Carries a command out. @returns a sentence, or a page to show. */
  act: (command: Exclude<TopCommand, { do: 'quit' }>, data: TopData | undefined) => Promise<string | Page>;
  /** Milliseconds between two looks. */
  every?: number;
  /** For tests; otherwise the terminal's own. */
  size?: { width: number; height: number };
}

/** The screen, live. */
export function Top({ where, colors, look, act, every = 2_000, size }: TopProps): ReactElement {
  const { exit } = useApp();
  const { stdout } = useStdout();
  const [data, setData] = useState<TopData>();
  const [state, setState] = useState<TopState>(firstState);
  const [, resized] = useState(0);
  // Keys may come faster than the screen is drawn: they act on the newest state, not on the one that was drawn last.
  const newest = useRef({ state, data });
  newest.current.data = data;
  const show = (next: TopState): void => {
    newest.current.state = next;
    setState(next);
  };
  const say = (said: string): void => show({ ...newest.current.state, said });

  useEffect(() => {
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const again = async (): Promise<void> => {
      try {
        const found = await look();
        if (over) return;
        if (found === undefined) say('the server does not answer; trying again');
        else setData(found);
        timer = setTimeout(() => void again(), every);
      } catch (error) {
        if (!over) exit(error instanceof Error ? error : new Error(String(error)));
      }
    };
    void again();
    return () => {
      over = true;
      clearTimeout(timer);
    };
    // No dependencies: it is one loop for the life of the screen.
  }, []);

  useEffect(() => {
    const onResize = (): void => resized((count) => count + 1);
    stdout.on('resize', onResize);
    return () => void stdout.off('resize', onResize);
  }, [stdout]);

  useInput((input, pressed) => {
    const { state: next, command } = press(newest.current.state, keyOf(input, pressed), newest.current.data);
    show(next);
    if (command === undefined) return;
    if (command.do === 'quit') return exit();
    if (command.do !== 'show' && command.do !== 'logs') say(`${command.do} ${command.bead} …`);
    act(command, newest.current.data).then(
      (result) => (typeof result === 'string' ? say(result) : show({ ...newest.current.state, page: result })),
      (error: unknown) => say(errorMessage(error)),
    );
  });

  const width = size?.width ?? stdout.columns ?? 80;
  // One line less than the terminal has: a full one scrolls.
  const height = (size?.height ?? stdout.rows ?? 24) - 1;
  const lines = screen(state, data, where, { width, height });
  return h(
    Box,
    { flexDirection: 'column', width, height },
    lines.map((line, at) =>
      h(
        Text,
        { key: at, wrap: 'truncate' },
        line.length === 0 || line.every(({ text }) => text === '')
          ? ' '
          : line.map(({ text, color, bold, dim }, piece) =>
              h(
                Text,
                {
                  key: piece,
                  color: colors ? color : undefined,
                  bold: colors && bold === true,
                  dimColor: colors && dim === true,
                },
                text,
              ),
            ),
      ),
    ),
  );
}

type Pressed = Parameters<Parameters<typeof useInput>[0]>[1];

function keyOf(input: string, pressed: Pressed): Key {
  if (pressed.ctrl && input === 'c') return { name: 'interrupt', text: '' };
  if (pressed.upArrow) return { name: 'up', text: '' };
  if (pressed.downArrow) return { name: 'down', text: '' };
  if (pressed.leftArrow) return { name: 'left', text: '' };
  if (pressed.rightArrow) return { name: 'right', text: '' };
  if (pressed.pageUp) return { name: 'pageUp', text: '' };
  if (pressed.pageDown) return { name: 'pageDown', text: '' };
  if (pressed.tab) return { name: 'tab', text: '' };
  if (pressed.return) return { name: 'return', text: '' };
  if (pressed.escape) return { name: 'escape', text: '' };
  if (pressed.backspace || pressed.delete) return { name: 'backspace', text: '' };
  return { text: pressed.ctrl || pressed.meta ? '' : input };
}
