import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { scratchFolder, script } from '../support/scratch.js';
import type { ChildProcess } from 'node:child_process';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What a run of a program printed, and how it ended. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * A small checkout with this project's scripts and a program of a few lines, on a machine where only what is in `bin`
 * is installed.
 */
export class Checkout {
  readonly folder: string;
  /** The only folder on PATH; holds a `git` that does nothing, and an `npm` that leaves a line in `calls`. */
  readonly bin: string;
  readonly #calls: string;

  constructor() {
    const scratch = scratchFolder('checkout');
    this.folder = join(scratch, 'checkout');
    this.bin = join(scratch, 'bin');
    this.#calls = join(scratch, 'calls');
    for (const path of ['scripts', 'bin', 'tsconfig.json', 'tsconfig.build.json', 'src/server/file-lock.mjs'])
      cpSync(join(root, path), join(this.folder, path), { recursive: true });
    this.write('package.json', JSON.stringify({ name: 'small', type: 'module' }));
    this.write('package-lock.json', lockFile('1.0.0'));
    this.write('src/cli/main.ts', program('first'));
    this.write('node_modules/typescript/bin/tsc', compiler);
    symlinkSync(join(root, 'node_modules/esbuild'), join(this.folder, 'node_modules/esbuild'));
    script(join(this.bin, 'git'), 'exit 0');
    script(join(this.bin, 'npm'), `echo "npm $*" >> '${this.#calls}'`);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  remove(path: string): void {
    rmSync(join(this.folder, path), { recursive: true });
  }

  has(path: string): boolean {
    return existsSync(join(this.folder, path));
  }

  /** What `npm` was called with, one line a call. */
  npmCalls(): string[] {
    return existsSync(this.#calls) ? readFileSync(this.#calls, 'utf8').trim().split('\n') : [];
  }

  /** Starts one of the checkout's scripts; it is ended with the test. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<Ran> } {
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      env: { PATH: this.bin, HOME: this.folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ran: Ran = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => (ran.stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (ran.stderr += data.toString()));
    return { child, ended: new Promise((resolve) => child.once('close', (code) => resolve({ ...ran, code }))) };
  }

  run(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran> {
    return this.start(args, env).ended;
  }
}

/** A lock file that asks for one package. */
export const lockFile = (version: string): string =>
  JSON.stringify({ packages: { '': { name: 'small' }, 'node_modules/something': { version } } });

/** A program that tells its arguments, and does what the first one says. */
export const program = (name: string): string => `
if (process.argv[2] === 'fail') process.exitCode = 7;
if (process.argv[2] === 'wait') {
  process.once('SIGTERM', () => process.exit(9));
  setInterval(() => undefined, 60_000);
}
console.log(JSON.stringify(['${name}', ...process.argv.slice(2)]));
`;

/** A source in which the stand-in compiler finds a wrong type, and one that it cannot read. */
export const wrongType = 'export const wrong = "type";';
export const unreadable = 'const = ;';

/** Stands in for the compiler, which would take seconds a time: it knows two mistakes, and writes declarations. */
const compiler = `
const { readFileSync, readdirSync, writeFileSync, mkdirSync } = require('node:fs');
const { dirname, join } = require('node:path');
let status = 0;
for (const name of readdirSync('src', { recursive: true })) {
  if (!/\\.(ts|mjs)$/.test(name)) continue;
  const source = readFileSync(join('src', name), 'utf8');
  let problem;
  if (source === ${JSON.stringify(unreadable)}) problem = 'TS1134';
  if (source === ${JSON.stringify(wrongType)}) problem = 'TS2322';
  if (problem !== undefined) {
    console.log('src/' + name + '(1,1): error ' + problem);
    status = 2;
  }
  const out = join('dist', name.replace(/\\.(m?)[jt]s$/, '.d.$1ts'));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, '');
}
process.exit(status);
`;
