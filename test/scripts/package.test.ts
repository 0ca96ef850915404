import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from '../support/scratch.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  scripts: Record<string, string>;
};
/** npm fetches some three hundred packages, and two cores are busy with other tests. */
const slowly = 600_000;
const ends: (() => void)[] = [];
let folder: string;
let tarball: string;

const run = promisify(execFile);
const node = (script: string, ...args: string[]) =>
  run(process.execPath, [join(root, 'node_modules', script), ...args]);

beforeAll(() => {
  folder = scratchFolder('package', (end) => ends.push(end));
  // `dist` is up to date, but for the declarations: the set-up of these tests builds what runs.
  execFileSync(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    ...['-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly', '--noCheck'],
  ]);
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root, stdio: 'pipe' });
  tarball = join(folder, `heartbead-${version}.tgz`);
});
afterAll(() => ends.forEach((end) => end()));

test('the package holds programs, types, the bundles and nothing of sources or tests', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  for (const wanted of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'bin/heartbead.mjs',
    'dist/programs/heartbead.js',
    'dist/worker.js',
    'dist/workflow-bundle.js',
    'dist/runner/main.bundle.js',
    'dist/contract/index.d.ts',
    'dist/testing/index.js',
    'dist/testing/index.d.ts',
    'monitoring/alerts.yaml',
    // What its sentences and its README name.
    'docs/security.md',
    'docs/operators.md',
    'docs/images/ui-list.png',
  ])
    expect(files).toContain(`package/${wanted}`);
  const strange = files.filter(
    (file) =>
      !/^package\/(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/|dist\/|docs\/|monitoring\/)/.test(file),
  );
  expect(strange).toEqual([]);
  expect(
    files.filter((file) => /\.map$|\.test\.|\/\.|^package\/dist\/(?:bench|chaos|race|simulation)\//.test(file)),
  ).toEqual([]);
});

test('nothing of it runs when it is installed', () => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts[name]).toBeUndefined();
});

test('publint and arethetypeswrong find nothing', async () => {
  const { stdout } = await node('publint/src/cli.js', 'run', tarball, '--strict');
  expect(stdout).toContain('All good!');
  // Rejects when it finds something. Other packages get it by `import`, from Node.js 20 on.
  await node('@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only');
});

test(
  'installed for all, it is a `heartbead` that brings a town up, does a piece of work and goes down',
  async () => {
    const place = scratchFolder('installed');
    const prefix = join(place, 'prefix');
    const home = join(place, 'home');
    await run('npm', ['install', '--global', '--prefix', prefix, ...quietly, tarball], { cwd: place });
    const env = {
      ...withoutTown(),
      HEARTBEAD_HOME: home,
      HEARTBEAD_TASK_QUEUE: 'package-test',
    };
    const heartbead = (...args: string[]) => run(join(prefix, 'bin/heartbead'), args, { cwd: place, env });
    expect((await heartbead('--version')).stdout.trim()).toBe(version);
    const repo = join(place, 'repo');
    execFileSync('git', ['init', '-q', '-b', 'main', repo]);
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
    execFileSync('git', ['-C', repo, ...identity, 'commit', '-q', '--allow-empty', '-m', 'first']);
    let went: string | undefined;
    try {
      await heartbead('up');
      const work = [
        'echo hi > hi.txt && git add hi.txt',
        `git ${identity.join(' ')} commit -q -m "Add hi"`,
        'heartbead agent done "added hi"',
      ].join(' && ');
      const { stdout } = await heartbead('sling', 'A file', '--repo', repo, '--command', work, '--wait', '--json');
      expect(JSON.parse(stdout)).toMatchObject({ status: 'closed' });
    } finally {
      went = (await heartbead('down')).stdout;
    }
    expect(went).toMatch(/worker +stopped\nserver +stopped/);
  },
  slowly,
);

test(
  'another project imports the test kit and the contract, type-checks against them, and runs a town',
  async () => {
    const project = scratchFolder('project');
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'other', private: true, type: 'module' }));
    await run('npm', ['install', ...quietly, tarball], { cwd: project });
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'ES2023',
          module: 'NodeNext',
          strict: true,
          noEmitOnError: true,
          skipLibCheck: true,
          types: [],
        },
      }),
    );
    writeFileSync(
      join(project, 'town.ts'),
      `import { openTown, expectOneAgent } from 'heartbead/testing';
import { taskQueues } from 'heartbead/contract';

const town = await openTown({ agent: { coldStart: '10m', works: '1h' } });
try {
  const bead = await town.sling();
  await bead.untilEnded('2h');
  expectOneAgent(bead);
  const queue: string = taskQueues.agents('other');
  console.log(queue, bead.statuses.at(-1)?.bead);
} finally {
  await town.close();
}
`,
    );
    writeFileSync(
      join(project, 'wrong.ts'),
      `import { openTown } from 'heartbead/testing';\nawait openTown({ agent: { coldStart: true } });\n`,
    );
    const tsc = (file: string) =>
      run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: project }).then(
        () => '',
        (error: { stdout: string }) =>
          error.stdout
            .split('\n')
            .filter((line) => line.startsWith(file))
            .join('\n'),
      );
    expect(await tsc('wrong.ts')).toMatch(/^wrong\.ts\(2,\d+\): error TS2322/);
    expect(await tsc('town.ts')).toBe('');
    rmSync(join(project, 'wrong.ts'));
    expect(await tsc('')).toBe('');
    const { stdout } = await run(process.execPath, ['town.js'], { cwd: project, env: withoutTown() });
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^other-agents closed$/);
  },
  slowly,
);

const quietly = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];

/** This machine's variables, without those that name a server or a town. */
function withoutTown(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(?:TEMPORAL_(?!CLI_PATH|TEST_SERVER_PATH)|HEARTBEAD_(?!CACHE)|VITEST|NODE_OPTIONS|NODE_ENV)/.test(name),
    ),
  );
}
