import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Checkout, program, unreadable, wrongType } from './checkout.js';

const build = ['scripts/build.mjs'];

test('a build is made once, made again when a source changes, and not because a file was only touched', async () => {
  const checkout = new Checkout();
  expect(await checkout.run(build)).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringMatching(/^build: compiling/) as string,
  });
  expect(checkout.has('dist/cli/main.js')).toBe(true);
  expect((await checkout.run(build)).stderr).toBe('build: dist is up to date\n');
  utimesSync(join(checkout.folder, 'src/cli/main.ts'), new Date(), new Date());
  expect((await checkout.run(build)).stderr).toBe('build: dist is up to date\n');
  checkout.write('src/cli/main.ts', program('second'));
  expect((await checkout.run(build)).stderr).toMatch(/^build: compiling/);
  expect((await checkout.run(['dist/cli/main.js'])).stdout).toBe('["second"]\n');
});

test('compiled files that somebody deleted are made again', async () => {
  const checkout = new Checkout();
  await checkout.run(build);
  checkout.remove('dist/cli');
  await checkout.run(build);
  expect(checkout.has('dist/cli/main.js')).toBe(true);
});

test('what was compiled of a source that is gone goes too, and a bundle of the workflows stays', async () => {
  const checkout = new Checkout();
  checkout.write('src/gone.ts', 'export const a = 1;');
  checkout.write(
    'src/worker/bundle.ts',
    "import { writeFileSync } from 'node:fs'; export const buildWorkflowBundle = (out) => writeFileSync(out, " +
      "'bundle');",
  );
  await checkout.run([...build, '--check']);
  expect(checkout.has('dist/gone.js') && checkout.has('dist/gone.d.ts') && checkout.has('dist/gone.js.map')).toBe(true);
  expect(checkout.has('dist/workflow-bundle.js')).toBe(true);
  checkout.remove('src/gone.ts');
  await checkout.run(build);
  expect(checkout.has('dist/gone.js') || checkout.has('dist/gone.d.ts') || checkout.has('dist/gone.js.map')).toBe(
    false,
  );
  expect(checkout.has('dist/workflow-bundle.js') && checkout.has('dist/server/file-lock.mjs')).toBe(true);
});

test('the workflows are bundled again only when something in them has changed', async () => {
  const checkout = new Checkout();
  checkout.write('src/worker/bundle.ts', `export const buildWorkflowBundle = () => console.error('bundled');`);
  checkout.write('src/workflows/index.ts', 'export const a = 1;');
  expect((await checkout.run(build)).stderr).toContain('\nbundled\n');
  checkout.write('dist/workflow-bundle.js', 'bundle');
  checkout.write('src/cli/main.ts', program('second'));
  expect((await checkout.run(build)).stderr).not.toContain('bundl');
  checkout.write('src/workflows/index.ts', 'export const a = 2;');
  expect((await checkout.run(build)).stderr).toContain('\nbundled\n');
});

test('after a build without types the next one with them writes every declaration again', async () => {
  const checkout = new Checkout();
  await checkout.run([...build, '--check']);
  checkout.write('dist/.tsbuildinfo', 'what the compiler has written');
  await checkout.run([...build, '--check']);
  expect(checkout.has('dist/.tsbuildinfo')).toBe(true);
  checkout.write('src/cli/main.ts', program('second'));
  await checkout.run(build);
  expect(checkout.has('dist/.tsbuildinfo')).toBe(false);
});

test('a line of a program without types is found by its map', async () => {
  const checkout = new Checkout();
  checkout.write(
    'src/cli/main.ts',
    'interface A {\n  a: string;\n}\nconst a: A = { a: "b" };\nthrow new Error(a.a);\n',
  );
  await checkout.run(build);
  const { stderr } = await checkout.run(['--enable-source-maps', 'dist/cli/main.js']);
  expect(stderr).toContain('src/cli/main.ts:5:7');
});

test('several at once build once', async () => {
  const checkout = new Checkout();
  const all = await Promise.all([1, 2, 3].map(() => checkout.run(build)));
  expect(all.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(all.filter(({ stderr }) => stderr.includes('compiling'))).toHaveLength(1);
});

test('types are checked only when asked for; what cannot be read is told either way, and tried again the next time', async () => {
  const checkout = new Checkout();
  checkout.write('src/cli/main.ts', wrongType);
  expect((await checkout.run(build)).code).toBe(0);
  const checked = await checkout.run([...build, '--check']);
  expect(checked).toMatchObject({ code: 1, stderr: expect.stringContaining('TS2322') as string });
  checkout.write('src/cli/main.ts', unreadable);
  for (let i = 0; i < 2; i += 1)
    expect(await checkout.run(build)).toMatchObject({ code: 1, stderr: expect.stringContaining('main.ts') as string });
});

test('programs share their chunks, find their packages bundled, and lead to what runs a worker', async () => {
  const checkout = new Checkout();
  checkout.write('src/shared.ts', `export const word = 'shared';`);
  checkout.write('src/worker.ts', `export const place = import.meta.url;`);
  checkout.write('src/cli/agent-main.ts', `import { word } from '../shared.js'; console.log('agent', word);`);
  checkout.write(
    'src/cli/main.ts',
    `import { word } from '../shared.js'; const { place } = await import('../worker.js'); console.log(word, place);`,
  );
  await checkout.run(build);
  checkout.remove('dist/shared.js');
  expect((await checkout.run(['dist/programs/agent.js'])).stdout).toBe('agent shared\n');
  expect((await checkout.run(['dist/programs/heartbead.js'])).stdout).toMatch(/^shared file:.*\/dist\/worker\.js\n$/);
  checkout.write('src/cli/agent-main.ts', `import '@temporalio/worker';`);
  expect(await checkout.run(build)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('name it in workerModules') as string,
  });
});

test('the runner is one file with all that it imports; deleted, it is made again', async () => {
  const checkout = new Checkout();
  checkout.write('src/runner/word.ts', `export const word = 'bundled';`);
  checkout.write('src/runner/main.ts', `import { word } from './word.js'; console.log(word);`);
  await checkout.run(build);
  const bundle = 'dist/runner/main.bundle.js';
  checkout.remove('dist/runner/word.js');
  expect((await checkout.run([bundle])).stdout).toBe('bundled\n');
  await checkout.run(build);
  expect(checkout.has('dist/runner/word.js') && checkout.has(bundle)).toBe(true);
  checkout.remove(bundle);
  await checkout.run(build);
  expect(checkout.has(bundle)).toBe(true);
});
