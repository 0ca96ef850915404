/** What the board tells by itself, as state of a page. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConvoyView, RigView } from '../../contract/index.js';
import { listen } from './api.js';

/** What keeps the board from telling, and what to do about it. */
export interface Told {
  message: string;
  next?: string;
}

const boardAway: Told = {
  message: 'the board does not answer',
  next: 'heartbead up starts it again; this page tries every moment',
};

/**
 * Listens for as long as the page shows these things.
 * @param on what to do with each kind of event.
 * @returns what keeps the board from telling; undefined when nothing does.
 */
export function useListening(watches: readonly string[], on: Record<string, (data: never) => void>): Told | undefined {
  const [trouble, setTrouble] = useState<Told>();
  const latest = useRef(on);
  latest.current = on;
  useEffect(() => {
    setTrouble(undefined);
    const passed = Object.keys(on).map((event) => [
      event,
      (data: never): void => {
        // A log may go on while the bead does not answer.
        if (event !== 'log') setTrouble(undefined);
        latest.current[event]?.(data);
      },
    ]);
    return listen(
      watches,
      {
        ...(Object.fromEntries(passed) as typeof on),
        trouble: setTrouble,
        fine: () => setTrouble(undefined),
      },
      (away) => setTrouble(away ? boardAway : undefined),
    ).close;
  }, [watches.join(' ')]);
  return trouble;
}

interface Looked {
  convoy: ConvoyView;
  rig: RigView;
}

/** One thing in full, looked at again and again. */
export function useLook<K extends keyof Looked>(
  kind: K,
  id: string,
): { view: Looked[K] | undefined; trouble: Told | undefined } {
  const [view, setView] = useState<Looked[K]>();
  const trouble = useListening([`${kind}:${id}`], { [kind]: setView as (data: never) => void });
  return { view, trouble };
}
