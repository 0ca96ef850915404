import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The package's root: two folders up from `src/package`, and from `dist/runner` and `dist/programs` alike, where this
 * module lies as part of a bundle.
 */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @param name path below `dist`, without `.js`.
 * @returns the compiled file, also when this module itself runs from TypeScript (tests).
 * @throws Error when the package was not built.
 */
export function compiledFile(name: string): string {
  const path = fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: build the package first (npm run build)`);
  return path;
}
