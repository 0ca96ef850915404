/** An activity in the hands of a worker. Every method throws what the client's `activity` methods throw. */
export interface TaskInHand {
  readonly type: string;
  /** The first argument. */
  readonly input: unknown;
  readonly activity: { readonly cancelRequested: boolean };
  complete(result: unknown): Promise<void>;
  fail(error: Error): Promise<void>;
  reportCancellation(details: unknown): Promise<void>;
  /** One activity heartbeat. Writes no history. */
  beat(details: unknown): Promise<void>;
}
