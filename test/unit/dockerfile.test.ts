import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scratchFolder } from '../support/scratch.js';
import { findHadolint, withoutHadolint } from '../support/programs.js';

const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');

/** @returns what hadolint finds, also what is a mere hint. */
async function findings(text: string): Promise<string[]> {
  const { stdout } = await execa(findHadolint() ?? '', ['--no-fail', '--format', 'json', '-'], {
    input: text,
    // Settings of whoever runs the tests are no settings of this project.
    cwd: scratchFolder('hadolint'),
    env: { HOME: '/nonexistent' },
    extendEnv: false,
  });
  return (JSON.parse(stdout) as { code: string; line: number }[]).map(
    ({ code, line }) => `${code} ${text.split('\n')[line - 1]}`,
  );
}

test.skipIf(findHadolint() === undefined)(
  `hadolint finds nothing in the Dockerfile, and something in a worse one${withoutHadolint}`,
  async () => {
    expect(await findings(dockerfile)).toEqual([]);
    const worse = dockerfile
      .replace('COPY bin ./bin', 'ADD bin ./bin')
      .replace('# hadolint ignore=DL3008\n', '')
      .replace('USER 1000', 'USER root');
    expect(await findings(worse)).toEqual(
      expect.arrayContaining(['DL3020 ADD bin ./bin', 'DL3008 RUN apt-get update \\', 'DL3002 USER root']),
    );
  },
);
