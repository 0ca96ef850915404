/** @returns what an error says; of whatever else was thrown, its text. */
export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null | undefined)?.code;

/** @returns whether a call of the file system, or the start of a program, failed since there is no such file. */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT';

/** @returns whether a path leads nowhere: there is no such file, or a folder on the way to it is none. */
export const leadsNowhere = (error: unknown): boolean => isMissing(error) || codeOf(error) === 'ENOTDIR';
