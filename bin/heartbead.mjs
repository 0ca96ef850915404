#!/usr/bin/env node
/**
 * The `heartbead` command. In a checkout whose compiled files are missing or older than the sources it builds first;
 * the program then runs in this very process, so that exit codes and signals are its own.
 */
import { existsSync } from 'node:fs';

const main = new URL('../dist/programs/heartbead.js', import.meta.url);

await prepare();
if (existsSync(main)) await import(main.href);
else {
  process.stderr.write(
    'heartbead: this installation is incomplete, dist/programs/heartbead.js is missing: install it again\n',
  );
  process.exitCode = 1;
}

async function prepare() {
  // An agent's call must be quick, and must not write into a checkout that it may be working on.
  const calledByAgent = process.env.HEARTBEAD_ATTEMPT !== undefined && existsSync(main);
  const isCheckout =
    existsSync(new URL('../src/cli/main.ts', import.meta.url)) &&
    existsSync(new URL('../scripts/setup.mjs', import.meta.url));
  if (calledByAgent || !isCheckout) return;
  const { lookAtBuild } = await import('../scripts/build.mjs');
  if (lookAtBuild().fresh && existsSync(new URL('../node_modules/.heartbead-install', import.meta.url))) return;
  process.stderr.write(
    `heartbead: ${existsSync(main) ? 'the sources or packages have changed' : 'nothing is compiled yet'}; ` +
      'building first\n',
  );
  const { setupOrExit } = await import('../scripts/setup.mjs');
  await setupOrExit({ log: () => undefined });
}
