import { expect, test } from 'vitest';
import { Checkout, program, unreadable } from './checkout.js';

const heartbead = (...args: string[]): string[] => ['bin/heartbead.mjs', ...args];

test("in a checkout the command builds itself when it must, with one line, and its output and exit code are the program's", async () => {
  const checkout = new Checkout();
  expect(await checkout.run(heartbead('fail', '--json'))).toEqual({
    code: 7,
    stdout: '["first","fail","--json"]\n',
    stderr: 'heartbead: nothing is compiled yet; building first\n',
  });
  expect(await checkout.run(heartbead('ls'))).toEqual({ code: 0, stdout: '["first","ls"]\n', stderr: '' });
  checkout.write('src/cli/main.ts', program('second'));
  expect(await checkout.run(heartbead('ls'))).toEqual({
    code: 0,
    stdout: '["second","ls"]\n',
    stderr: 'heartbead: the sources or packages have changed; building first\n',
  });
});

test('a signal to the command reaches the program', async () => {
  const checkout = new Checkout();
  const { child, ended } = checkout.start(heartbead('wait'));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 9 });
});

test("an agent's call never builds: it runs what is there", async () => {
  const checkout = new Checkout();
  await checkout.run(heartbead('ls'));
  checkout.write('src/cli/main.ts', program('second'));
  expect(await checkout.run(heartbead('agent', 'heartbeat'), { HEARTBEAD_ATTEMPT: '1-abcdef' })).toEqual({
    code: 0,
    stdout: '["first","agent","heartbeat"]\n',
    stderr: '',
  });
});

test('installed as a package, without sources, it just runs', async () => {
  const checkout = new Checkout();
  await checkout.run(heartbead('ls'));
  for (const path of ['src', 'scripts', 'node_modules']) checkout.remove(path);
  expect(await checkout.run(heartbead('ls'))).toEqual({ code: 0, stdout: '["first","ls"]\n', stderr: '' });
});

test('sources that cannot be compiled are told, and the program is not run', async () => {
  const checkout = new Checkout();
  checkout.write('src/cli/main.ts', unreadable);
  const { code, stdout, stderr } = await checkout.run(heartbead('ls'));
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/main\.ts[^]*heartbead: the sources do not compile; the errors are above\n$/);
});
