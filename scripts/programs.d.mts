/** Where programs of others lie below the cache folder. */
export declare const programPaths: Readonly<Record<'gh' | 'hadolint' | 'git-lfs', string>>;
/** @returns why some could not be had. */
export declare function fetchPrograms(options: { log: (line: string) => void }): Promise<string[]>;
