import type { Worker } from '@temporalio/worker';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { TownConnection } from '../client/connect.js';
import { TownDeployment } from '../client/deployment.js';
import type { TownVersions } from '../client/deployment.js';
import { ClientError } from '../client/errors.js';
import { isNotFound } from '../client/as-client-error.js';
import { versionChanged } from '../contract/index.js';
import { forgetBuild, keptBuilds } from './builds.js';
import type { Build } from './builds.js';
import { planBuilds, takesOver, VersionNews } from './version-plan.js';
import type { Versioning } from './version-plan.js';

/** A change of the current build is acted upon within this; one request each. */
const lookEvery = 5_000;
/** The server knows a build some moments after its worker polls. */
const takenWithin = 60_000;
/** A build to which nothing is pinned is looked at again after this: visibility may be late. */
const emptyFor = 60_000;
/** How many workflows of one build are looked at in one round. */
const pinnedAtOnce = 500;

export interface VersionWatchOptions {
  town: Pick<TownConnection, 'connection' | 'client' | 'namespace' | 'taskQueue'>;
  home: string;
  own: Build;
  versioning: Versioning;
  /** Makes a worker for workflows of an earlier build. */
  createWorker: (build: Build) => Promise<Worker>;
  logger: Logger;
}

interface Served {
  worker: Worker;
  done: Promise<void>;
}

/**
 * A versioned worker's look at the builds of its town: takes over when its build is new, runs the kept builds to which
 * workflows are pinned, and tells those of other builds when they may go on with the current one.
 */
export class VersionWatch {
  readonly #deployment: TownDeployment;
  readonly #news = new VersionNews();
  readonly #served = new Map<string, Served>();
  readonly #stopped = new AbortController();
  /** Builds to which nothing was pinned, for the current one. */
  #empty: { current?: string; at: Map<string, number> } = { at: new Map() };
  #strange = '';
  #loop: Promise<void> | undefined;

  constructor(private readonly options: VersionWatchOptions) {
    this.#deployment = new TownDeployment(options.town);
  }

  /** States of the workers of earlier builds, for the probe. */
  states(): string[] {
    return [...this.#served.values()].map(({ worker }) => worker.getState());
  }

  /** Those of earlier builds that run now. */
  workers(): Worker[] {
    return [...this.#served.values()].map(({ worker }) => worker);
  }

  /** To be called when the worker of the own build polls. @param before the versions as they were before it did. */
  async start(before: TownVersions | undefined): Promise<void> {
    const { own, versioning, logger } = this.options;
    // Workflows of earlier builds may wait for this very process.
    if (before !== undefined) await this.#serve(before);
    if (takesOver(own.id, versioning, before)) {
      await this.#takeOver();
      logger.info({ build: own.id, before: before?.current }, 'this build is the current one of the town now');
    } else if (before?.current !== own.id)
      logger.warn(
        { build: own.id, current: before?.current },
        `the town's current build is ${before?.current ?? 'none'}, and this one runs only what is pinned to ` +
          `it: \`heartbead upgrade to ${own.id}\` makes it current`,
      );
    this.#loop = this.#watch();
  }

  /** Stops looking, and the workers of earlier builds. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
    await Promise.all([...this.#served.keys()].map((id) => this.#end(id)));
  }

  async #takeOver(): Promise<void> {
    const until = Date.now() + takenWithin;
    for (;;) {
      try {
        return await this.#deployment.makeCurrent(this.options.own.id);
      } catch (error) {
        if (!(error instanceof ClientError) || Date.now() > until || this.#stopped.signal.aborted) throw error;
        await sleep(200);
      }
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        const town = await this.#deployment.describe();
        if (town !== undefined && !signal.aborted) {
          await this.#serve(town);
          await this.#tell(town);
        }
      } catch (error) {
        this.options.logger.warn({ err: error }, 'the builds of the town could not be looked at');
      }
      await sleep(lookEvery, undefined, { signal, ref: false }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  async #serve(town: TownVersions): Promise<void> {
    const { home, own, logger, createWorker } = this.options;
    const { serve, strange, forget } = planBuilds(own, await keptBuilds(home), town, Date.now());
    for (const build of serve) {
      if (this.#served.has(build.id)) continue;
      const worker = await createWorker(build);
      const done = worker.run().then(
        () => undefined,
        (error: unknown) => logger.error({ err: error, build: build.id }, 'the worker of an earlier build failed'),
      );
      this.#served.set(build.id, { worker, done });
      // One that fails is begun again with the next look.
      void done.then(() => this.#served.delete(build.id));
      logger.info({ build: build.id }, 'workflows of this earlier build are run as well');
    }
    for (const id of this.#served.keys()) if (!serve.some((build) => build.id === id)) await this.#end(id);
    for (const build of forget) await forgetBuild(home, build.id);
    const names = strange.map(({ id, sdk }) => `${id} (SDK ${sdk})`).join(', ');
    if (names !== this.#strange && names !== '')
      logger.warn(
        { builds: strange.map(({ id }) => id) },
        `workflows may be pinned to ${names}, which SDK ${own.sdk} cannot run: start a worker of that version ` +
          'in another state directory until `heartbead upgrade status` says that it is done',
      );
    this.#strange = names;
  }

  async #end(id: string): Promise<void> {
    const served = this.#served.get(id);
    if (served === undefined) return;
    if (served.worker.getState() === 'RUNNING') served.worker.shutdown();
    await served.done;
  }

  /** Only the worker of the current build tells: it is there to take over what then comes. */
  async #tell(town: TownVersions): Promise<void> {
    const { own, logger, town: where } = this.options;
    const { current } = town;
    if (current === undefined || (current !== own.id && !this.#served.has(current))) return;
    const now = Date.now();
    if (this.#empty.current !== current) this.#empty = { current, at: new Map() };
    const pinned: string[] = [];
    for (const { build, status } of town.versions) {
      if (build === current || status !== 'draining') continue;
      // The server calls it drained only after minutes.
      if (now - (this.#empty.at.get(build) ?? 0) < emptyFor) continue;
      const found = await this.#deployment.pinnedTo(build, pinnedAtOnce);
      if (found.length === 0) this.#empty.at.set(build, now);
      pinned.push(...found);
    }
    const due = this.#news.next(current, pinned, now);
    if (due.length > 0)
      logger.info(
        { build: current, workflows: due.length, left: pinned.length },
        'workflows of earlier builds are told of the current one',
      );
    await Promise.all(
      due.map((workflowId) =>
        where.client.workflow
          .getHandle(workflowId)
          .signal(versionChanged)
          .catch((error: unknown) => {
            if (!isNotFound(error)) logger.warn({ err: error, workflowId }, 'a workflow could not be told');
          }),
      ),
    );
  }
}
