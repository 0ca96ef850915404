/**
 * Builds of the workflow code on this host. A workflow is pinned to the build that began its run, so a worker keeps the
 * bundles that it has run in `versions/` of the state directory, and its successor goes on running them until nothing
 * is pinned to them any more: an upgrade in place needs no old worker beside the new one.
 * @module
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { isMissing } from '../edge/errors.js';
import { packageVersion } from '../version.js';

export interface Build {
  /** Made of the package's version and the bundle's content. */
  id: string;
  /** The version of the SDK: a bundle runs only in the one that has made it. */
  sdk: string;
  codePath: string;
}

const sdkVersion = (): string =>
  (createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string }).version;

const folderOf = (home: string): string => join(home, 'versions');
const nameOfBundle = 'workflow-bundle.js';
const nameOfRecord = 'build.json';

/** @returns the build of a bundle, which is kept in the state directory. */
export async function keepBuild(home: string, codePath: string): Promise<Build> {
  const code = await readFile(codePath);
  const id = `${packageVersion()}-${createHash('sha256').update(code).digest('hex').slice(0, 12)}`;
  const folder = join(folderOf(home), id);
  const kept = join(folder, nameOfBundle);
  const build: Build = { id, sdk: sdkVersion(), codePath: kept };
  const there = await stat(kept).catch(() => undefined);
  if (there?.size !== code.length) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFileAtomic(kept, code);
  }
  // Last: a folder without it is no build.
  await writeFileAtomic(join(folder, nameOfRecord), `${JSON.stringify({ id, sdk: build.sdk })}\n`);
  return build;
}

/** @returns the builds that are kept here, whichever SDK they are of. */
export async function keptBuilds(home: string): Promise<Build[]> {
  const names = await readdir(folderOf(home)).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const found = await Promise.all(
    names.map(async (name): Promise<Build[]> => {
      const text = await readFile(join(folderOf(home), name, nameOfRecord), 'utf8').catch(() => undefined);
      const codePath = join(folderOf(home), name, nameOfBundle);
      if (text === undefined || (await stat(codePath).catch(() => undefined)) === undefined) return [];
      try {
        const { sdk } = JSON.parse(text) as { sdk?: unknown };
        return typeof sdk === 'string' ? [{ id: name, sdk, codePath }] : [];
      } catch (error) {
        // Cut off by a power cut: as good as none.
        if (error instanceof SyntaxError) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

export async function forgetBuild(home: string, id: string): Promise<void> {
  await rm(join(folderOf(home), id), { recursive: true, force: true });
}
