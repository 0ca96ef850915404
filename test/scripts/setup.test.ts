import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { script } from '../support/scratch.js';
import { Checkout, lockFile } from './checkout.js';

const setup = ['scripts/setup.mjs'];

test('packages are installed without their scripts, once', async () => {
  const checkout = new Checkout();
  expect(await checkout.run(setup)).toMatchObject({ code: 0, stdout: '' });
  expect(await checkout.run(setup)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(checkout.npmCalls()).toEqual(['npm ci --ignore-scripts --no-audit --no-fund']);
  expect(checkout.has('dist/cli/main.js')).toBe(true);
});

test('packages that somebody installed by hand are left alone; when the lock file changes they are updated in place', async () => {
  const checkout = new Checkout();
  checkout.write('node_modules/.package-lock.json', lockFile('1.0.0'));
  expect((await checkout.run(setup)).code).toBe(0);
  expect(checkout.npmCalls()).toEqual([]);
  checkout.write('package-lock.json', lockFile('2.0.0'));
  await checkout.run(setup);
  expect(checkout.npmCalls()).toEqual(['npm install --no-save --ignore-scripts --no-audit --no-fund']);
});

test('an installation that fails is told, and tried again the next time', async () => {
  const checkout = new Checkout();
  script(join(checkout.bin, 'npm'), 'echo "npm error network" >&2; exit 1');
  for (let i = 0; i < 2; i += 1)
    expect(await checkout.run(setup)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/npm error network\nheartbead: npm ci failed, see above.*\n$/) as string,
    });
});

test('a missing git and a Node.js too old are told in one sentence, before anything is installed', async () => {
  const checkout = new Checkout();
  const versions = "{value:{...process.versions,node:'20.18.9'}}";
  const old = `data:text/javascript,Object.defineProperty(process,'versions',${versions})`;
  expect(await checkout.run(['--import', old, ...setup])).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'heartbead: Heartbead needs Node.js 20.19.0 or newer, this is 20.18.9; install a newer one and run the ' +
      'command again\n',
  });
  rmSync(join(checkout.bin, 'git'));
  expect(await checkout.run(setup)).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^heartbead: git is missing: install it .*\n$/) as string,
  });
  expect(checkout.npmCalls()).toEqual([]);
});

test('a program is run after the set-up in the same process, with its arguments and its exit code', async () => {
  const checkout = new Checkout();
  const run = (...args: string[]) => checkout.run(['scripts/run.mjs', ...args]);
  expect(await run('cli/main.js', 'fail', '--exit')).toMatchObject({ code: 7, stdout: '["first","fail","--exit"]\n' });
  expect(await run('cli/nothing.js')).toMatchObject({
    code: 2,
    stderr: 'heartbead: there is no cli/nothing.js among the compiled files\n',
  });
});
