import type { ProviderRefusal } from '../../agents/types.js';
import type { StopCause } from '../end/judge-end.js';
import type { Part } from '../part.js';
import type { Cancel, Time } from '../time.js';

/** A program may renew a login by itself; one that tries the same key again for minutes never gets in. */
const authGraceMs = 10_000;
/**
 * What a program waits out by itself in a minute needs nobody's help; longer waits belong to the bead and not to one of
 * the host's places.
 */
const limitGraceMs = 60_000;

/**
 * Ends an agent whose provider has refused it for a while without any progress: some programs would go on trying for
 * ever.
 */
export class ProviderRefusalWatch implements Part {
  #cancel: Cancel | undefined;
  #newest: ProviderRefusal | undefined;

  /** @param atMost of both waits; milliseconds. */
  constructor(
    private readonly atMost: number,
    private readonly end: (cause: StopCause) => void,
    private readonly time: Time,
  ) {}

  /** The newest refusal, or undefined once the agent gets on again. */
  heard(refusal: ProviderRefusal | undefined): void {
    const before = this.#newest;
    this.#newest = refusal;
    if (refusal === undefined || before?.kind !== refusal.kind) this.ending();
    if (refusal === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.time.timer(
      Math.min(this.atMost, refusal.kind === 'rate_limited' ? limitGraceMs : authGraceMs),
      () => this.#over(),
    );
  }

  /** The attempt is being ended, for whatever reason. */
  ending(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #over(): void {
    const refusal = this.#newest;
    if (refusal === undefined) return;
    this.end({
      outcome: refusal.kind,
      reason: refusal.text,
      retryAfterMs: refusal.kind === 'rate_limited' ? refusal.retryAfterMs : undefined,
    });
  }
}
