const words = ['auto', 'none'] as const;

/**
 * @param name of a variable by which something that is there by default can be left out.
 * @returns whether it is wanted. @throws Error when the variable says neither `auto` nor `none`.
 */
export function isWanted(env: Readonly<NodeJS.ProcessEnv>, name: string): boolean {
  const given = env[name];
  if (given === undefined || given === '') return true;
  const known = words.find((word) => word === given);
  if (known === undefined) throw new Error(`${name} is one of ${words.join(', ')}, not ${JSON.stringify(given)}`);
  return known === 'auto';
}
