/** Requests to the board, and what it sends by itself. */
import type { ApiError } from '../api-types.js';

/** The board's answer was no; `next` is what to do. */
export class BoardError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly next: string | undefined,
  ) {
    super(message);
  }
}

async function answered(response: Response): Promise<unknown> {
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body;
  const error = (body as ApiError | undefined)?.error;
  throw new BoardError(response.status, error?.message ?? `the board answered ${response.status}`, error?.next);
}

/** A board that was ended is no fault of the page's: it says so in its own words. */
async function sent(path: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(`/api/v1${path}`, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new BoardError(0, 'the board does not answer', 'start it again with heartbead up, or heartbead board');
  }
}

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  (await answered(await sent(path, { signal: signal ?? null }))) as T;

export const post = async <T>(path: string, body: object = {}): Promise<T> =>
  (await answered(
    await sent(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  )) as T;

/** The token comes behind the `#` of the printed address; it is exchanged for a cookie, and leaves the address. */
export async function signIn(): Promise<void> {
  const token = /(?:^#|&)token=([\w-]+)/.exec(location.hash)?.[1];
  if (token === undefined) return;
  history.replaceState(null, '', location.pathname + location.search);
  await post('/session', { token });
}

/** This page, among all that look. */
export const looker = Math.random().toString(36).slice(2);

/** A board of another start does not know this page; loaded anew, the page says what to do. */
function reloadIfUnknown(): void {
  get('/about').catch((error: unknown) => {
    if (error instanceof BoardError && error.status === 401) location.reload();
  });
}

export interface Live {
  close: () => void;
}

/**
 * Listens for as long as the page is seen: a hidden one costs nobody anything.
 * @param on what to do with each kind of event.
 * @param down called with whether the board itself is out of reach.
 */
export function listen(
  watches: readonly string[],
  on: Record<string, (data: never) => void>,
  down: (away: boolean) => void,
): Live {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    const query = [`looker=${looker}`, ...watches.map((watch) => `watch=${encodeURIComponent(watch)}`)].join('&');
    source = new EventSource(`/api/v1/events?${query}`);
    source.onopen = () => down(false);
    source.onerror = () => {
      // A board that was ended refuses, and one of another start does not know us: tried again until it is back.
      close();
      down(true);
      reloadIfUnknown();
      if (!document.hidden) again = setTimeout(open, 1_500);
    };
    for (const [event, take] of Object.entries(on))
      source.addEventListener(event, (message) => take(JSON.parse((message as MessageEvent<string>).data) as never));
  };
  const close = (): void => {
    clearTimeout(again);
    source?.close();
    source = undefined;
  };
  const onVisibility = (): void => {
    if (document.hidden) close();
    else if (source === undefined) open();
  };
  document.addEventListener('visibilitychange', onVisibility);
  if (!document.hidden) open();
  return {
    close: () => {
      document.removeEventListener('visibilitychange', onVisibility);
      close();
    },
  };
}
