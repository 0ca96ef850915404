/**
 * Where a host keeps the contents of a vault's files in Git LFS. Beside the vault, and not in it: git-lfs would link
 * what it finds in a repository that another one borrows from, and an agent could write through the link. The vault's
 * configuration names it; told on a command line it would hold for a remote on the same disk as well, and an upload
 * would go back to where it came from.
 */
export const contentsOf = (vault: string): string => `${vault.replace(beingCloned, '')}.lfs`;

/** A vault has its own name only when its clone is complete. */
const beingCloned = /\.cloning-[0-9a-f]+$/;
