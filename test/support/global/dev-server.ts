import { startDevServer } from '../../../src/server/dev-server.js';
import type { TestProject } from 'vitest/node';

export default async function runOne(project: TestProject): Promise<() => Promise<void>> {
  const { address, namespace, program, stop } = await startDevServer({
    uiPort: false,
    log: (line) => console.error(line),
  });
  project.provide('devServer', { address, namespace });
  project.provide('devServerProgram', program.path);
  project.provide('devServerVersion', /Server (\S+?),/.exec(program.version ?? '')?.[1] ?? '');
  return stop;
}
