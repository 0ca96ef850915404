import { Context } from '@temporalio/activity';

/**
 * Keeps a short activity's heartbeat going while `run` is under way, so that a slow push or fetch is not taken for a
 * dead worker.
 * @param text for the Web UI's pending activities.
 */
export async function withBeats<T>(text: string, run: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = (): void => context.heartbeat({ text });
  beat();
  // Ten seconds: well inside the half minute or more that the workflows grant.
  const timer = setInterval(beat, 10_000);
  try {
    return await run();
  } finally {
    clearInterval(timer);
  }
}
