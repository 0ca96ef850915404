/**
 * The SDK's native part decodes each workflow task into buffers that live for milliseconds, between small pieces that live as long as the cached bead. glibc's
 * defaults (an arena per thread, thresholds that grow with use, caches per thread) never give the holes back: of 279 kB of worker memory per parked
 * bead 107 were such holes (1,000 beads, `npm run bench -- scale`; jemalloc had 173 kB in the place of these settings' 172). Elsewhere (musl, macOS) it is not read.
 * @module
 */

/** For the environment of a worker process, from its start: glibc reads it before `main`. What somebody has set there already goes before it. */
export const allocatorEnvironment = {
  GLIBC_TUNABLES: ['arena_max=2', 'mmap_threshold=131072', 'trim_threshold=131072', 'tcache_count=0', 'mxfast=0'].map((tunable) => `glibc.malloc.${tunable}`).join(':'),
} as const;

/** Takes it out of the environment of this process again, so that what it starts (runners, agents, git) has the machine's own settings. */
export function keepAllocatorToOurselves(env: NodeJS.ProcessEnv = process.env): void {
  for (const [name, value] of Object.entries(allocatorEnvironment)) if (env[name] === value) delete env[name];
}
