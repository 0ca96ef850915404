/**
 * Runs once per worker thread, before any workflow: what is loaded here, all workflows of the thread share
 * (`preloadModules` of the bundle). A cached bead would else hold each module of the bundle once more: 140 kB. Hence no
 * module of ours keeps anything that changes in a variable of its own; `npm run lint` sees to it.
 * @module
 */
// The SDK notes for each promise of a cached workflow where it was made, ten frames of it: 100 kB for a bead whose
// agent works. Five show where it waits.
Error.stackTraceLimit = 6;
