/** Entry of the workflow bundle: every callable exported here is a workflow type, so nothing else is. @module */
export { bead } from './bead.js';
export { convoy } from './convoy.js';
export { rig } from './rig.js';
export { hostQuestion } from './host-question.js';
