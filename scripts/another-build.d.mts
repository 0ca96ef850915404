/** Makes a build of Heartbead whose workflows give other commands. @returns its worker's program. */
export function anotherBuild(folder: string, name: string): Promise<string>;
