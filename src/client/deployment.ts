/**
 * The builds of a town's workflow code, as the server's Worker Versioning knows them: which one is current, which ones
 * still have workflows. A town whose workers are not versioned has none.
 * @module
 */
import { deploymentOf } from '../contract/index.js';
import type { TownConnection } from './connect.js';
import { defaultDeadline, within } from './deadline.js';
import { ServerRefusedError } from './errors.js';
import { queryText } from './list.js';
import { grpcError, isNotFound, asClientError } from './as-client-error.js';
import { isOlder, oldestWithVersions } from './server-version.js';

/** In the order of the server's enumeration, of which the SDK exports types only. */
export const versionStatuses = ['unknown', 'inactive', 'current', 'ramping', 'draining', 'drained', 'created'] as const;
export type VersionStatus = (typeof versionStatuses)[number];

export interface TownVersion {
  /** Made of the version of the package and the workflow bundle: `0.1.0-1a2b3c4d5e6f`. */
  build: string;
  /** `draining`: workflows are still pinned to it, as far as the server knows; it looks every few minutes. */
  status: VersionStatus;
  createdAt: number;
  /** When it last became current; absent: never. */
  currentAt?: number;
  /** When it last became current, or first got a share of the new workflows; absent: neither. */
  usedAt?: number;
}

export interface TownVersions {
  /** Where new workflows begin; absent: with workers that are not versioned. */
  current?: string;
  ramping?: { build: string; percent: number };
  /** Newest first. */
  versions: TownVersion[];
}

/** @returns of the other builds the one that was current last: where a roll-back leads. */
export const currentBefore = ({ versions }: TownVersions, build: string | undefined): TownVersion | undefined =>
  versions
    .filter((version) => version.build !== build && version.currentAt !== undefined)
    .sort((a, b) => (b.currentAt ?? 0) - (a.currentAt ?? 0))[0];

/** gRPC: the server has no Worker Versioning. */
const unimplemented = 12;
const failedPrecondition = 9;

interface Timestamp {
  seconds?: unknown;
  nanos?: number | null;
}
const instant = (time: Timestamp | null | undefined): number | undefined =>
  time === null || time === undefined ? undefined : Number(time.seconds) * 1_000 + Math.floor((time.nanos ?? 0) / 1e6);

/** @returns why the server cannot do what versions need, or undefined when it can. */
export async function versionsSupported(
  connection: TownConnection['connection'],
  deadline = defaultDeadline,
): Promise<string | undefined> {
  const { serverVersion } = await within(connection, deadline, () => connection.workflowService.getSystemInfo({}));
  return isOlder(serverVersion, oldestWithVersions)
    ? `that needs a server from ${oldestWithVersions} on, and this one is ${serverVersion}`
    : undefined;
}

export class TownDeployment {
  readonly name: string;

  constructor(
    private readonly town: Pick<TownConnection, 'connection' | 'client' | 'namespace' | 'taskQueue'>,
    private readonly deadline = defaultDeadline,
  ) {
    this.name = deploymentOf(town.taskQueue);
  }

  /** @returns the versions, or undefined when no versioned worker was ever there. */
  async describe(): Promise<TownVersions | undefined> {
    const { namespace } = this.town;
    try {
      const { workerDeploymentInfo: info } = await this.#ask((service) =>
        service.describeWorkerDeployment({ namespace, deploymentName: this.name }),
      );
      const { currentDeploymentVersion: current, rampingDeploymentVersion: ramping } = info?.routingConfig ?? {};
      const versions = (info?.versionSummaries ?? []).map((version): TownVersion => {
        const currentAt = instant(version.lastCurrentTime ?? version.currentSinceTime);
        return {
          build: version.deploymentVersion?.buildId ?? '',
          status: versionStatuses[version.status ?? 0] ?? 'unknown',
          createdAt: instant(version.createTime) ?? 0,
          currentAt,
          usedAt: currentAt ?? instant(version.rampingSinceTime ?? version.firstActivationTime),
        };
      });
      return {
        current: current?.buildId || undefined,
        ramping: ramping?.buildId
          ? { build: ramping.buildId, percent: info?.routingConfig?.rampingVersionPercentage ?? 0 }
          : undefined,
        versions: versions.sort((a, b) => b.createdAt - a.createdAt),
      };
    } catch (error) {
      if (isNotFound(error) || grpcError(error)?.code === unimplemented) return undefined;
      throw asClientError(error);
    }
  }

  /**
   * Makes a build the one that new workflows begin on, and that all others go on with.
   * @param build absent: workers that are not versioned.
   * @throws ServerRefusedError when nobody works for it.
   */
  async makeCurrent(build: string | undefined): Promise<void> {
    const { namespace, client } = this.town;
    await this.#change(build, (service) =>
      service.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName: this.name,
        buildId: build ?? '',
        identity: client.options.identity,
      }),
    );
  }

  /**
   * Gives a build a share of the new workflows. @param percent 0 ends the share of whichever build has one: what has
   * begun there goes on with the current build.
   */
  async ramp(build: string, percent: number): Promise<void> {
    const { namespace, client } = this.town;
    await this.#change(build, (service) =>
      service.setWorkerDeploymentRampingVersion({
        namespace,
        deploymentName: this.name,
        buildId: percent === 0 ? '' : build,
        percentage: percent,
        identity: client.options.identity,
      }),
    );
  }

  /** @returns the ids of workflows that run pinned to a build, at most so many. */
  async pinnedTo(build: string, limit: number): Promise<string[]> {
    const found: string[] = [];
    try {
      await within(this.town.client, this.deadline, async () => {
        for await (const { workflowId } of this.town.client.workflow.list({
          query: this.#pinned(build),
          pageSize: Math.min(limit, 1_000),
        })) {
          found.push(workflowId);
          if (found.length >= limit) return;
        }
      });
    } catch (error) {
      throw asClientError(error);
    }
    return found;
  }

  /** @returns how many workflows run pinned to a build. */
  async countPinnedTo(build: string): Promise<number> {
    try {
      const { count } = await within(this.town.client, this.deadline, () =>
        this.town.client.workflow.count(this.#pinned(build)),
      );
      return count;
    } catch (error) {
      throw asClientError(error);
    }
  }

  #pinned(build: string): string {
    return `TemporalWorkerDeploymentVersion = ${queryText(`${this.name}:${build}`)} AND ExecutionStatus = 'Running'`;
  }

  #ask<R>(request: (service: TownConnection['connection']['workflowService']) => Promise<R>): Promise<R> {
    return within(this.town.connection, this.deadline, () => request(this.town.connection.workflowService));
  }

  async #change(
    build: string | undefined,
    request: (service: TownConnection['connection']['workflowService']) => Promise<unknown>,
  ): Promise<void> {
    try {
      await this.#ask(request);
    } catch (error) {
      const said = grpcError(error);
      if (isNotFound(error) || said?.code === failedPrecondition)
        throw new ServerRefusedError(
          `the server did not take ${build === undefined ? 'workers without versions' : `build ${build}`} ` +
            `(${said?.details ?? ''})`,
          'start a worker that has it, then try again: `heartbead upgrade status` names the builds and who ' +
            'works for them',
          { cause: error },
        );
      throw asClientError(error);
    }
  }
}
