/**
 * Shows where the compiler stops somebody who adds to the contract: each change is made in memory, beside the files of
 * this checkout, and compiled with them. A change that the compiler accepts, or that it does not lead to every place
 * named here, is a failure: such a change would be forgotten in silence. `--all` compiles the whole of `src` with each
 * change instead of the files named here, and shows every place (some 20 s a change).
 *
 *     npm run compiler-leads [-- --all] [-- CHANGE …]
 * @module
 */
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What is added, where, and the files in which the compiler must stop. */
export const changes = [
  {
    name: 'clock',
    file: 'src/contract/types.ts',
    find: 'export interface Clocks {\n',
    add: '  tried: number;\n',
    stops: ['src/domain/clocks.ts', 'src/activities/input.ts'],
  },
  {
    name: 'field of an input',
    file: 'src/contract/types.ts',
    find: 'export interface StartAgentInput {\n',
    add: '  tried: string;\n',
    stops: ['src/activities/input.ts', 'src/domain/bead/inputs.ts'],
  },
  {
    name: 'optional field of an input',
    file: 'src/contract/types.ts',
    find: 'export interface StartAgentInput {\n',
    add: '  tried?: string;\n',
    stops: ['src/activities/input.ts'],
  },
  {
    name: 'optional field of a merge',
    file: 'src/contract/rig.ts',
    find: 'export interface MergeInput {\n',
    add: '  tried?: string;\n',
    stops: ['src/activities/refinery/input.ts'],
  },
  {
    name: 'optional field of an agent',
    file: 'src/contract/types.ts',
    find: 'export interface AgentSpec {\n',
    add: '  tried?: string;\n',
    stops: ['src/activities/input.ts', 'src/activities/fleet/input.ts', 'src/operator/convoy-file.ts'],
  },
  {
    name: 'field of a message',
    file: 'src/contract/types.ts',
    find: 'export interface Message {\n',
    add: '  tried?: string;\n',
    stops: ['src/edge/schemas.ts'],
  },
  {
    name: 'heartbeat kind',
    file: 'src/contract/types.ts',
    find: 'export const heartbeatKinds = [',
    add: "'tried', ",
    stops: ['src/domain/bead/attempts.ts', 'src/domain/telling/story.ts'],
  },
  {
    name: 'field of a heartbeat',
    file: 'src/contract/types.ts',
    find: 'export interface HeartbeatSignal {\n',
    add: '  tried?: string;\n',
    stops: ['src/contract/heartbeat.ts'],
  },
  {
    name: 'outcome',
    file: 'src/contract/types.ts',
    find: 'export const outcomes = [\n',
    add: "  'tried',\n",
    stops: ['src/domain/bead/accounts.ts'],
  },
  {
    name: 'merge strategy',
    file: 'src/contract/rig.ts',
    find: 'export const mergeStrategies = [',
    add: "'tried', ",
    stops: ['src/contract/rig.ts', 'src/git/merge/make-merge.ts', 'src/activities/refinery/merge.ts'],
  },
  {
    name: 'setting of a rig',
    file: 'src/contract/rig.ts',
    find: 'export interface RigSettings extends Workspace {\n',
    add: '  tried?: string;\n',
    stops: ['src/domain/rig/settings.ts'],
  },
  {
    name: 'kind of wait',
    file: 'src/contract/types.ts',
    find: 'export type Wait =\n',
    add: "  | { for: 'tried'; since: number; text: string }\n",
    stops: ['src/domain/bead/deadline.ts', 'src/domain/telling/why-not.ts'],
  },
  {
    name: 'activity',
    file: 'src/contract/types.ts',
    find: 'export interface Activities {\n',
    add: '  tried(input: string): Promise<void>;\n',
    stops: ['src/activities/input.ts', 'src/activities/index.ts'],
  },
];

/**
 * @returns a function that compiles a change. It answers with the places where the compiler stops, by file; only those
 * in `files` when they are given.
 */
export function compiler() {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const product = fileNames.filter((name) => relative(root, name).startsWith('src/'));
  const kept = new Map();
  let previous;
  return ({ file, find, add }, files) => {
    const changed = join(root, file);
    const before = ts.sys.readFile(changed) ?? '';
    if (before.split(find).length !== 2)
      throw new Error(`${file} has ${JSON.stringify(find)} not once: bring scripts/compiler-leads.mjs up to date`);
    const host = ts.createCompilerHost(options);
    const parse = host.getSourceFile.bind(host);
    host.getSourceFile = (name, ...rest) => {
      if (name === changed)
        return ts.createSourceFile(
          name,
          before.replace(find, () => find + add),
          ...rest,
        );
      if (!kept.has(name)) kept.set(name, parse(name, ...rest));
      return kept.get(name);
    };
    const program = ts.createProgram(product, { ...options, noEmit: true }, host, previous);
    previous = program;
    const sources =
      files === undefined
        ? program.getSourceFiles().filter(({ fileName }) => product.includes(fileName))
        : files.map((name) => program.getSourceFile(join(root, name)));
    return sources.flatMap((source) => program.getSemanticDiagnostics(source)).map(place);
  };
}

function place({ file, start, messageText }) {
  const { line } = file.getLineAndCharacterOfPosition(start);
  const said = ts.flattenDiagnosticMessageText(messageText, ' ').split('\n')[0].trim();
  return { file: relative(root, file.fileName), line: line + 1, said };
}

/** @returns the files to which the compiler should have led, and has not. */
export const forgotten = ({ stops }, found) => stops.filter((file) => !found.some((one) => one.file === file));

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const wanted = process.argv.slice(2).filter((argument) => argument !== '--all');
  const all = process.argv.includes('--all');
  const unknown = wanted.find((name) => !changes.some((change) => change.name === name));
  if (unknown !== undefined) {
    console.error(
      `there is no change ${JSON.stringify(unknown)}; there are: ${changes.map(({ name }) => name).join(', ')}`,
    );
    process.exit(2);
  }
  const compile = compiler();
  let silent = 0;
  for (const change of changes.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const found = compile(change, all ? undefined : change.stops);
    console.log(`${change.name}: ${change.add.trim()} in ${change.file}`);
    for (const { file, line, said } of found) console.log(`  ${file}:${line}  ${said.slice(0, 140)}`);
    for (const file of forgotten(change, found)) {
      silent += 1;
      console.log(`  NOT STOPPED in ${file}`);
    }
  }
  if (silent > 0) {
    console.error(`${silent} places would be forgotten in silence`);
    process.exit(1);
  }
}
