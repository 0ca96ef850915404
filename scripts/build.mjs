/**
 * Compiles `src` to `dist` and bundles the workflows and the programs, when something has changed. `--check` also
 * checks types (`npm run typecheck` does so too) and writes declarations; without it types are only stripped, file by
 * file, which takes a second instead of fifteen and is all that running needs. `--force` builds in any case.
 * @module
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withFileLock } from '../src/server/file-lock.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** What the compiler remembers of what it has written. */
const compilerNotes = join(root, 'dist/.tsbuildinfo');
const stampFile = join(root, 'dist/.build-stamp.json');
const bundleFile = join(root, 'dist/workflow-bundle.js');
/**
 * Programs that are started often, bundled with their packages: Node.js reads a few files in half the time (and with
 * half the processor time) that it takes for some 300. The runner is one file; the others share what they have in
 * common, and load the rest of it when they need it.
 */
const programs = [
  { source: 'src/runner/main.ts', bundle: 'dist/runner/main.bundle.js' },
  { source: 'src/cli/main.ts', bundle: 'dist/programs/heartbead.js' },
  { source: 'src/cli/agent-main.ts', bundle: 'dist/programs/agent.js' },
  { source: 'src/board/main.ts', bundle: 'dist/programs/board.js' },
  { source: 'src/cli/demo/demo-agent.ts', bundle: 'dist/programs/demo-agent.js' },
];
const programFolder = join(root, 'dist/programs/');
const leftoverMs = 24 * 60 * 60 * 1000;
/**
 * What runs a worker stays as it is compiled: the SDK's native half and its webpack cannot be bundled, and a process
 * must not have two copies of the SDK's classes. The command line loads these when such a verb is called.
 */
const workerModules = ['worker', 'worker/runtime', 'worker/bundle', 'cli/replay/replay-history'];
/** What the board shows in the browser: bundled for it, and compiled by nobody else. */
const page = {
  sources: 'src/board/page/',
  entry: join(root, 'src/board/page/main.tsx'),
  folder: join(root, 'dist/board/page'),
  index: join(root, 'dist/board/page/index.html'),
};
/** What the workflow bundle is made of: only a change in these (or in the installed packages) makes it again. */
const bundled = /^(?:src\/(?:workflows|domain|contract)\/|src\/worker\/bundle\.ts|package-lock\.json)/;
const others = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/**
 * @returns {{ fresh: boolean, sources: Record<string, { mtimeMs: number, size: number, hash?: string }>, before?:
 * Record<string, { hash: string }> }} `fresh`: `dist` was made of exactly these sources. Costs one `stat` per source as
 * long as nothing was touched; a touched file counts by its content.
 */
export function lookAtBuild() {
  const stamp = readStamp();
  const sources = Object.fromEntries(
    sourceFiles().map((path) => {
      const { mtimeMs, size } = statSync(join(root, path));
      return [path, { mtimeMs, size }];
    }),
  );
  // Without a stamp, or with a part of `dist` deleted, nothing is known of what is there.
  if (
    stamp === undefined ||
    !Object.keys(stamp.sources).every((path) => existsSync(compiledFile(path))) ||
    !programs.every(({ source, bundle }) => !(source in stamp.sources) || existsSync(join(root, bundle)))
  )
    return { fresh: false, sources };
  const fresh =
    Object.keys(sources).length === Object.keys(stamp.sources).length &&
    Object.entries(sources).every(([path, now]) => {
      const then = stamp.sources[path];
      return (
        then !== undefined && ((then.mtimeMs === now.mtimeMs && then.size === now.size) || then.hash === hashOf(path))
      );
    });
  return { fresh, sources, before: stamp.sources };
}

/**
 * Builds if needed; concurrent callers wait for one another and build once.
 * @param {{ check?: boolean, force?: boolean, log?: (line: string) => void }} [options]
 * @returns {Promise<{ built: boolean, ok: boolean }>} `ok` is false when the compiler found errors.
 */
export async function build({ check = false, force = false, log = () => undefined } = {}) {
  if (!force && !check && lookAtBuild().fresh) return { built: false, ok: true };
  return withFileLock(
    join(root, 'node_modules/.cache/heartbead-build.lock'),
    async () => {
      const { fresh, sources, before } = lookAtBuild();
      if (!force && !check && fresh) return { built: false, ok: true };
      log('compiling src to dist');
      // Hashes are taken before the compiler reads: a file edited meanwhile makes the next look say "stale".
      for (const [path, source] of Object.entries(sources)) source.hash = hashOf(path);
      const started = Date.now();
      if (check && !(await checkTypes(force || before === undefined))) return { built: true, ok: false };
      if (!(await stripTypes(sources, force ? undefined : before, !check))) return { built: true, ok: false };
      removeLeftovers();
      await bundleWorkflows(sources, force ? undefined : before, log);
      await bundlePrograms();
      await bundlePage();
      writeFileSync(stampFile, JSON.stringify({ sources }));
      log(`compiled in ${((Date.now() - started) / 1000).toFixed(1)} s`);
      return { built: true, ok: true };
    },
    { onWait: ({ pid }) => log(`waiting for another build (process ${pid})`) },
  );
}

/**
 * The compiler: checks types and writes declarations, nothing else.
 * @param {boolean} anew whether it forgets what it had written.
 * @returns {Promise<boolean>} false when it found errors, which it has printed.
 */
async function checkTypes(anew) {
  if (anew) rmSync(compilerNotes, { force: true });
  const pretty = String(process.stderr.isTTY === true);
  const flags = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--pretty', pretty];
  return (await runNode(['node_modules/typescript/bin/tsc', ...flags])) === 0;
}

/**
 * What running needs, and no more: each changed source by itself (`isolatedModules` holds for all of them), with a map
 * of its lines.
 * @param {boolean} alone without declarations: the compiler has to write those anew the next time.
 * @returns {Promise<boolean>} false when a source cannot be read as TypeScript; the reason has been printed.
 */
async function stripTypes(sources, before, alone) {
  if (alone) rmSync(compilerNotes, { force: true });
  const { transform, formatMessages } = await import('esbuild');
  const changed = Object.keys(sources).filter(
    (path) =>
      /\.(?:ts|[cm]js)$/.test(path) &&
      !path.startsWith(page.sources) &&
      !(before?.[path]?.hash === sources[path].hash && existsSync(compiledFile(path))),
  );
  const made = await Promise.allSettled(
    changed.map(async (path) => {
      const compiled = compiledFile(path);
      const { code, map } = await transform(readFileSync(join(root, path), 'utf8'), {
        loader: path.endsWith('ts') ? 'ts' : 'js',
        target: 'es2023',
        sourcemap: 'external',
        sourcefile: relative(dirname(compiled), join(root, path)).split(sep).join('/'),
        sourcesContent: false,
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
      });
      mkdirSync(dirname(compiled), { recursive: true });
      writeFileSync(`${compiled}.map`, map);
      writeFileSync(compiled, `${code}//# sourceMappingURL=${basename(compiled)}.map\n`);
    }),
  );
  const failed = made.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  for (const error of failed) {
    if (!Array.isArray(error.errors)) throw error;
    console.error((await formatMessages(error.errors, { kind: 'error' })).join(''));
  }
  return failed.length === 0;
}

async function bundleWorkflows(sources, before, log) {
  const builder = join(root, 'dist/worker/bundle.js');
  if (!existsSync(builder)) return;
  const changed =
    before === undefined ||
    !existsSync(bundleFile) ||
    [...new Set([...Object.keys(sources), ...Object.keys(before)])].some(
      (path) => bundled.test(path) && sources[path]?.hash !== before[path]?.hash,
    );
  if (!changed) return;
  log('bundling the workflows');
  const { buildWorkflowBundle } = await import(pathToFileURL(builder).href);
  await buildWorkflowBundle(bundleFile);
}

async function bundlePrograms() {
  const { build: bundle } = await import('esbuild');
  const kept = new Set();
  for (const outdir of new Set(programs.map(({ bundle }) => dirname(join(root, bundle))))) {
    const entries = programs.filter(({ source, bundle }) => {
      return dirname(join(root, bundle)) === outdir && existsSync(compiledFile(source));
    });
    if (entries.length === 0) continue;
    const { outputFiles } = await bundle({
      entryPoints: Object.fromEntries(
        entries.map(({ source, bundle }) => [basename(bundle, '.js'), compiledFile(source)]),
      ),
      outdir,
      splitting: entries.length > 1,
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      keepNames: true,
      legalComments: 'eof',
      logLevel: 'warning',
      // Ink asks for its developer tools only where DEV is set.
      external: ['react-devtools-core'],
      plugins: [leaveOut(outdir)],
      // What its CommonJS packages find around them.
      banner: {
        js:
          "import { createRequire as requireFrom } from 'node:module'; const require = " +
          'requireFrom(import.meta.url); const { filename: __filename, dirname: __dirname } = import.meta;',
      },
    });
    mkdirSync(outdir, { recursive: true });
    // Shared chunks come before the programs, and each file in one step: a program may be about to be started.
    const isProgram = (path) => programs.some(({ bundle }) => path === join(root, bundle));
    for (const { path, contents } of outputFiles.sort((a, b) => isProgram(a.path) - isProgram(b.path))) {
      kept.add(path);
      writeFileSync(`${path}.new`, contents);
      renameSync(`${path}.new`, path);
    }
  }
  if (!existsSync(programFolder)) return;
  // A program that runs may still load chunks of the build that it is from.
  for (const path of walk(programFolder))
    if (!kept.has(path) && Date.now() - statSync(path).mtimeMs > leftoverMs) rmSync(path);
}

/** Imports of `workerModules` lead from a bundle in `folder` to the compiled files. */
const leaveOut = (folder) => ({
  name: 'leave-out',
  setup({ onResolve }) {
    onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir }) => {
      const found = resolve(resolveDir, path);
      if (!workerModules.some((name) => found === join(root, `dist/${name}.js`))) return undefined;
      return { path: relative(folder, found).split(sep).join('/'), external: true };
    });
    onResolve({ filter: /^@temporalio\/(?:worker|testing)$/ }, ({ importer }) => ({
      errors: [{ text: `${importer} is part of a bundle and needs the SDK's worker: name it in workerModules` }],
    }));
  },
});

/** The first view is one script and one style sheet; charts and graphs are loaded when they are looked at. */
async function bundlePage() {
  if (!existsSync(page.entry)) return;
  const { build: bundle } = await import('esbuild');
  const { metafile } = await bundle({
    entryPoints: [page.entry],
    outdir: page.folder,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    legalComments: 'none',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: true,
    logLevel: 'warning',
  });
  const made = Object.entries(metafile.outputs).map(([path, { entryPoint, cssBundle }]) => ({
    name: basename(path),
    entry: entryPoint !== undefined && entryPoint.endsWith('main.tsx'),
    css: cssBundle === undefined ? undefined : basename(cssBundle),
  }));
  const main = made.find(({ entry }) => entry);
  const html = readFileSync(join(root, page.sources, 'index.html'), 'utf8')
    .replace('main.js', main.name)
    .replace('main.css', main.css);
  writeFileSync(`${page.index}.new`, html);
  copyFileSync(join(root, page.sources, 'icon.svg'), join(page.folder, 'icon.svg'));
  renameSync(`${page.index}.new`, page.index);
  // A board that runs has read its files; what earlier builds left is of no use to anybody.
  const kept = new Set(['index.html', 'icon.svg', ...made.map(({ name }) => name)]);
  for (const name of readdirSync(page.folder)) if (!kept.has(name)) rmSync(join(page.folder, name));
}

/**
 * Removes compiled files whose source is gone, so that nothing runs from the past. Looks at the sources anew: one that
 * was added while the compiler ran may be compiled already, and the compiler, which remembers that, would not write it
 * again.
 */
function removeLeftovers() {
  const expected = new Set(sourceFiles().map((path) => path.replace(/^src\//, '').replace(/\.m?ts$|\.[cm]js$/, '')));
  for (const path of walk(join(root, 'dist'))) {
    const name = relative(join(root, 'dist'), path).split(sep).join('/');
    if (path.startsWith(page.folder) || path.startsWith(programFolder)) continue;
    if (!/\.(?:[cm]?js|d\.[cm]?ts)(?:\.map)?$/.test(name) || name.startsWith('workflow-bundle.js')) continue;
    if (programs.some(({ bundle }) => bundle === `dist/${name}`)) continue;
    if (!expected.has(name.replace(/\.map$/, '').replace(/\.d\.[cm]?ts$|\.[cm]?js$/, ''))) rmSync(path);
  }
}

/** @returns what is made of a source; of a setting, which makes nothing, the setting itself. */
function compiledFile(path) {
  if (path.startsWith(page.sources)) return page.index;
  return join(root, path.replace(/^src\/(.*)\.(m?)ts$/, 'dist/$1.$2js').replace(/^src\/(.*\.[cm]js)$/, 'dist/$1'));
}

function sourceFiles() {
  const files = [...walk(join(root, 'src'))]
    .map((path) => relative(root, path).split(sep).join('/'))
    .filter((path) => /\.(?:ts|[cm]js)$/.test(path) || path.startsWith(page.sources));
  return [...files, ...others.filter((path) => existsSync(join(root, path)))];
}

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

function readStamp() {
  if (!existsSync(stampFile)) return undefined;
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // cut off by a kill: as good as none
    throw error;
  }
}

function hashOf(path) {
  return createHash('sha256')
    .update(readFileSync(join(root, path)))
    .digest('hex');
}

/**
 * Everything a child prints goes to stderr: stdout belongs to whoever called (`heartbead ls --json` may be what built).
 */
function runNode(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
  const { built, ok } = await build({
    check: process.argv.includes('--check'),
    force: process.argv.includes('--force'),
    log: (line) => console.error(`build: ${line}`),
  });
  if (!built) console.error('build: dist is up to date');
  process.exitCode = ok ? 0 : 1;
}
