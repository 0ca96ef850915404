import type { BeadView, BeatDetails, Clocks } from '../../contract/index.js';
import type { BeadLink } from './bead-link.js';
import { Beater } from './beater.js';
import type { Freezer } from '../processes/freezer.js';
import { elapsed } from '../instant.js';
import type { Instant } from '../instant.js';
import type { Cancel, Time } from '../time.js';
import { RequestRefused } from '../sockets/request-refused.js';
import { beatRenews, leaseIsOver, renewLease } from './lease.js';
import type { BeatAnswer, Lease } from './lease.js';
import type { RunningAgent } from '../agent/running-agent.js';
import type { Part } from '../part.js';
import type { RunnerConnection } from '../types.js';
import { OrphanWatch } from './orphan-watch.js';
import type { Signaller } from './signaller.js';

export interface LeaseKeeperOptions {
  link: BeadLink;
  time: Time;
  clocks: Clocks;
  attempt: string;
  token: Uint8Array;
  signaller: Signaller;
  freezer: Freezer;
  details(): BeatDetails;
  /** Puts a new token on disk. */
  saveToken(token: Uint8Array): Promise<void>;
  /** Puts the way to the server on disk. */
  saveConnection(connection: RunnerConnection): Promise<void>;
  /** The lease holds anew: told to those who can see neither this process nor the bead. */
  onRenewed(): void;
  /** The processes were stopped just now: time to save what they have done. */
  onFrozen(): void;
  /** The bead wants the attempt stopped. */
  onCancelled(): void;
  /** The attempt is not the bead's any more; undefined: the bead has ended. */
  onMovedOn(view: BeadView | undefined): void;
  log(what: string, details?: object): void;
}

/**
 * Holds the attempt's lease: by beats while its token is good, by the bead's own word while it is an orphan; lets the
 * agent stand still without.
 */
export class LeaseKeeper implements Part {
  token: Uint8Array;
  #lease: Lease;
  readonly #beater: Beater;
  readonly #orphans: OrphanWatch;
  /** Set while the end of the lease is waited for: not once it is over, and until it is renewed. */
  #alarm: Cancel | undefined;
  #last: BeatAnswer | undefined;
  /** The attempt is being ended: its processes are to run, so that they can end. */
  #ending = false;

  constructor(private readonly options: LeaseKeeperOptions) {
    const { link, time, clocks, attempt, signaller } = options;
    this.token = options.token;
    this.#lease = { renewedAt: time.now() };
    this.#beater = new Beater({
      link,
      time,
      clocks,
      details: () => options.details(),
      onAnswer: (answer, sentAt) => this.#answered(answer, sentAt),
    });
    this.#orphans = new OrphanWatch({
      link,
      time,
      clocks,
      attempt,
      ask: () => signaller.sendNow('orphan'),
      onRenewed: (sentAt) => this.#renew(sentAt),
      onMovedOn: (view) => options.onMovedOn(view),
    });
  }

  get orphan(): boolean {
    return this.#orphans.orphan;
  }

  /** Milliseconds since the request that renewed the lease was sent. */
  get age(): number {
    return elapsed(this.#lease.renewedAt, this.options.time.now());
  }

  /** Keeps the lease that the fence has got until {@link reported}. */
  async spawned(_agent: RunningAgent, lease: Lease): Promise<void> {
    this.#lease = lease;
    this.#beater.use(this.token);
    this.#watchLease();
    await Promise.all([this.#beater.run(), this.#orphans.run()]);
  }

  /** From now on nothing is frozen because there is no lease; beats go on. */
  ending(): void {
    this.#ending = true;
    this.#alarm?.();
  }

  reported(): void {
    this.#beater.stop();
    this.#orphans.stop();
  }

  /** The server does not know the token any more. */
  becomeOrphan(): void {
    if (this.orphan) return;
    this.options.log('the task token is void: waits for adoption');
    this.#beater.use(undefined);
    this.#orphans.begin();
  }

  /**
   * Takes a new token, once the server has accepted a beat with it. A host that was frozen may hand over one that is
   * void by now. With it comes the host's own way to the server, which replaces the runner's when it is another one and
   * the token is good there, or when the runner's own leads nowhere.
   * @throws RequestRefused 409 when it is void, 503 when nobody can tell and the old one may still be good.
   */
  async adopt(token: Uint8Array, connection?: RunnerConnection): Promise<void> {
    const { link } = this.options;
    let sentAt = this.options.time.now();
    const redialled = connection === undefined ? undefined : link.redial(connection);
    let answer = await this.#beater.try(token, redialled);
    if (redialled !== undefined && answer === 'unreachable') {
      // The host may be the one that cannot get through, or have an older key than the runner.
      sentAt = this.options.time.now();
      const byOwnWay = await this.#beater.try(token);
      if (byOwnWay !== 'unreachable' || !this.orphan) {
        redialled.hangUp();
        answer = byOwnWay;
      }
    }
    const taken = answer !== 'refused' && (answer !== 'unreachable' || this.orphan);
    if (!taken) redialled?.hangUp();
    if (answer === 'refused') throw new RequestRefused(409, 'the new task token is void');
    if (!taken) throw new RequestRefused(503, 'the server cannot be reached to try the new task token');
    if (redialled !== undefined && connection !== undefined) await this.#goOver(redialled, connection);
    this.token = token;
    // On disk it serves the host that reports for a dead runner; a disk that does not take it must not cost the
    // adoption.
    await this.options
      .saveToken(token)
      .catch((error: unknown) => this.options.log('the new task token could not be written', { err: error }));
    this.#orphans.end();
    this.options.log('adopted', { answer });
    this.#answered(answer, sentAt);
    this.options.signaller.life('adopted');
    this.#beater.use(token);
  }

  /**
   * Takes another way to the server (a new certificate, a new key) while the token stays: once a beat got through on
   * it.
   * @throws RequestRefused 503 when none did; the old way goes on.
   */
  async reconnect(connection: RunnerConnection): Promise<void> {
    const { link } = this.options;
    const redialled = link.redial(connection);
    if (redialled === undefined) return;
    const { token } = this;
    const sentAt = this.options.time.now();
    const answer = await this.#beater.try(token, redialled);
    if (answer === 'unreachable') {
      redialled.hangUp();
      throw new RequestRefused(503, 'the server cannot be reached over the new connection');
    }
    await this.#goOver(redialled, connection);
    // An adoption may have brought another token meanwhile: of that one the answer tells nothing.
    if (token === this.token) this.#answered(answer, sentAt);
  }

  async #goOver(redialled: BeadLink, connection: RunnerConnection): Promise<void> {
    const { link, log, saveConnection } = this.options;
    if (!link.use(redialled)) return;
    log('goes on over another connection', { address: connection.address });
    await saveConnection(connection).catch((error: unknown) =>
      log('the new connection could not be written', { err: error }),
    );
  }

  /** What the answer to a beat with the token in use means. */
  #answered(answer: BeatAnswer, sentAt: Instant): void {
    const { freezer, signaller, onFrozen, onCancelled, log } = this.options;
    if (answer !== this.#last) log(`beats are ${answer}`);
    this.#last = answer;
    if (beatRenews(answer)) this.#renew(sentAt);
    switch (answer) {
      case 'recorded':
        if (freezer.thaw('activity')) signaller.life('resumed');
        return;
      case 'paused':
        if (this.#ending || !freezer.freeze('activity')) return;
        signaller.life('paused');
        onFrozen();
        return;
      case 'cancelled':
        onCancelled();
        return;
      case 'refused':
        this.becomeOrphan();
        return;
      case 'unreachable':
        return;
    }
  }

  #renew(sentAt: Instant): void {
    this.#lease = renewLease(this.#lease, sentAt);
    this.options.onRenewed();
    // A renewal that was long on its way may be over already.
    if (this.#over()) return;
    if (this.options.freezer.thaw('lease')) this.options.log('the lease is renewed: the agent goes on');
    if (this.#alarm === undefined) this.#watchLease();
  }

  /** Freezes the agent when the lease is over. One alarm for many renewals: it looks then what has come meanwhile. */
  #watchLease(): void {
    if (this.#ending) return;
    const { time, clocks, freezer, log, onFrozen } = this.options;
    this.#alarm = time.alarm(this.#lease.renewedAt, clocks.leaseFor, () => {
      this.#alarm = undefined;
      if (!this.#over()) return this.#watchLease();
      if (!freezer.freeze('lease')) return;
      log('the lease ran out: the agent is frozen', { age: this.age });
      onFrozen();
    });
  }

  #over(): boolean {
    return leaseIsOver(this.#lease, this.options.time.now(), this.options.clocks);
  }
}
