import { accountEnvironment, accountVariables, accountsOf, Logins, missingVariables } from '../../agents/index.js';
import type { Account } from '../../agents/index.js';
import { refusalKinds } from '../../agents/types.js';
import type { AttemptResult, StartAgentInput } from '../../contract/index.js';
import type { AttemptSetup } from '../types.js';

/** How soon the next attempt may take another account. */
const atOnce = 1_000;

export interface AgentLoginOptions {
  /** The state directory. */
  home: string;
  input: Pick<StartAgentInput, 'agent'>;
  setup: Pick<AttemptSetup, 'account'>;
  env: NodeJS.ProcessEnv;
  now?: () => number;
}

/**
 * The login that an attempt uses: what it is to its agent's environment, and what the attempt's end says of it. Its
 * host's other attempts hear of that by the state directory.
 */
export class AttemptLogin {
  readonly #accounts: readonly Account[];
  readonly #logins: Logins;
  readonly #now: () => number;
  /** What its agent has variables of its own for may be another login. */
  readonly #known: boolean;
  #began: number;
  #served = false;

  /** @throws CustomAgentsError */
  constructor(private readonly options: AgentLoginOptions) {
    const { home, input, setup, now = Date.now } = options;
    this.#now = now;
    this.#accounts = accountsOf(input.agent.adapter, home);
    this.#logins = new Logins(home, now);
    this.#known = setup.account !== undefined || (input.agent.env ?? []).length === 0;
    this.#began = now();
  }

  /** The host's environment, as the agent is to see it. */
  get env(): NodeJS.ProcessEnv {
    return accountEnvironment(this.options.env, this.#accounts, this.#account);
  }

  get variables(): string[] {
    return this.#accounts.filter(({ name }) => name === this.#account).flatMap(accountVariables);
  }

  get #account(): string | undefined {
    return this.options.setup.account;
  }

  get #id(): { agent: string; account: string | undefined } {
    return { agent: this.options.input.agent.adapter, account: this.#account };
  }

  /** The agent is about to be spawned. */
  begins(): void {
    this.#began = this.#now();
  }

  /** The agent uses a tool: its provider has answered. */
  works(): void {
    if (this.#served || !this.#known) return;
    this.#served = true;
    this.#logins.served(this.#id, this.#began);
  }

  /**
   * @param result how the attempt has ended.
   * @param progress whether its agent ever got on.
   * @returns the same, or when another account may go on with its work.
   */
  ended(result: AttemptResult, progress: boolean): AttemptResult {
    const cause = refusalKinds.find((kind) => kind === result.outcome);
    if (cause === undefined) {
      if (progress) this.works();
      return result;
    }
    const { reason, retryAfterMs } = result;
    if (this.#known) this.#logins.refuse({ ...this.#id, cause, reason }, { retryAfterMs, began: this.#began });
    if (this.#account === undefined) return result;
    const named = { ...result, reason: `account ${this.#account}: ${reason}` };
    const names = this.#accounts
      .filter((account) => missingVariables(account, this.options.env).length === 0)
      .map(({ name }) => name);
    const next = this.#logins.soonest(this.#id.agent, names);
    const wait = next === undefined ? 0 : next.at - this.#now();
    if (next !== undefined && next.account !== this.#account && wait <= 0)
      return {
        ...named,
        outcome: 'rate_limited',
        reason: `${named.reason}; the next attempt uses account ${next.account}`,
        retryAfterMs: atOnce,
      };
    // The one that is free again first decides; it may be refused for good where this one is only for now.
    const waits = cause === 'rate_limited' || (next !== undefined && next.account !== this.#account);
    return waits ? { ...named, outcome: 'rate_limited', retryAfterMs: Math.max(wait, atOnce) } : named;
  }
}
