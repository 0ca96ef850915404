import { agent } from './agent.js';
import { agentTest } from './agent-test.js';
import { approve, requestChanges } from './approve.js';
import { attach } from './attach.js';
import { backup, restore } from './backup.js';
import { board } from './board.js';
import { completion } from './completion.js';
import { convoy } from './convoy.js';
import { costs } from './costs.js';
import { diff } from './diff.js';
import { doctor } from './doctor.js';
import { down } from './down.js';
import { explain } from './explain.js';
import { files } from './files.js';
import { history } from './history.js';
import { importVerb } from './import.js';
import { logs } from './logs.js';
import { ls } from './ls.js';
import { mcp } from './mcp.js';
import { notify } from './notify.js';
import { problems } from './problems.js';
import { queue } from './queue.js';
import { replay } from './replay.js';
import { rig } from './rig.js';
import { service } from './service.js';
import { show } from './show.js';
import { sling } from './sling.js';
import { cancel, nudge, pause, resume, retry } from './steering.js';
import { tidy } from './tidy.js';
import { top } from './top.js';
import { up } from './up.js';
import { upgrade } from './upgrade.js';
import { watch } from './watch.js';
import { worker } from './worker.js';

/** All verbs, in the order of the help: the town, the beads, an operator's hand on them, the machinery. */
export const verbs = [
  up,
  down,
  board,
  sling,
  ls,
  watch,
  top,
  problems,
  show,
  explain,
  history,
  costs,
  logs,
  diff,
  files,
  attach,
  nudge,
  pause,
  resume,
  retry,
  cancel,
  approve,
  requestChanges,
  rig,
  convoy,
  queue,
  importVerb,
  agentTest,
  doctor,
  tidy,
  replay,
  notify,
  completion,
  backup,
  restore,
  service,
  upgrade,
  worker,
  agent,
  mcp,
];
