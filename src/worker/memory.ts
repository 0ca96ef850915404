/**
 * How a worker process is to be started so that it holds many cached beads in little memory. `npm run bench -- scale`
 * starts its worker so; the figures are from there, with 1,000 beads whose agents work. Neither setting costs
 * throughput that could be told from the noise (`npm run bench -- core`).
 * @module
 */

/**
 * For the environment, from the start: glibc reads it before `main`. What somebody has set there already goes before
 * it.
 *
 * The SDK's native part decodes each workflow task into buffers that live for milliseconds, between small pieces that
 * live as long as the cached bead. With glibc's defaults (an arena per thread, thresholds that grow with use, caches
 * per thread) the holes are never given back: 107 kB of 279 per bead. (jemalloc: 106.) Elsewhere (musl, macOS) nobody
 * reads it.
 */
export const allocatorEnvironment = {
  GLIBC_TUNABLES: ['arena_max=2', 'mmap_threshold=131072', 'trim_threshold=131072', 'tcache_count=0', 'mxfast=0']
    .map((tunable) => `glibc.malloc.${tunable}`)
    .join(':'),
} as const;

/**
 * Flags for `node`. A burst of signals makes V8 grow the space for young objects to three times 16 MiB in each of the
 * worker's two threads with JavaScript, and it stays so: 50 MB that say nothing of the number of beads. A quarter of it
 * does.
 */
export const workerNodeFlags = ['--max-semi-space-size=4'] as const;

/**
 * Takes the allocator's settings out of the environment of this process again, so that what it starts (runners, agents,
 * git) has the machine's own.
 */
export function keepAllocatorToOurselves(env: NodeJS.ProcessEnv = process.env): void {
  for (const [name, value] of Object.entries(allocatorEnvironment)) if (env[name] === value) delete env[name];
}
