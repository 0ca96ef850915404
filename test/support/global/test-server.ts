import { findTestServer } from '../../../src/server/find-test-server.js';
import type { TestProject } from 'vitest/node';

export default async function findItOnce(project: TestProject): Promise<void> {
  const { path } = await findTestServer({ log: (line) => console.error(line) });
  project.provide('testServer', path);
}
