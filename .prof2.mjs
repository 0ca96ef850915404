import { startDevServer } from './dist/server/index.js';
import { quietRuntime } from './dist/testing/quiet-runtime.js';
import { startWorker } from './dist/worker.js';
import { BeadClient } from './dist/client/index.js';
import { AttemptDir } from './dist/runner/index.js';
import { Client, Connection } from '@temporalio/client';
import { pino } from 'pino';
import { execa } from 'execa';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
quietRuntime();
const server = await startDevServer({ uiPort: false, log: () => {} });
const home = mkdtempSync('/tmp/prof-'); const { makeLargeRepository } = await import('./dist/bench/large-repository.js'); const origin = await makeLargeRepository(home, 50000);
const lines = ['commit refs/heads/main', 'committer Bench <bench@localhost> 1700000000 +0000', 'data 5', 'begin'];
for (let n = 0; n < 2000; n++) { const c = `file ${n}\n`.repeat(50 + n % 200); lines.push(`M 100644 inline src/d${n % 50}/f${n}.txt`, `data ${c.length}`, c); }


const connection = await Connection.connect({ address: server.address });
const client = new Client({ connection, namespace: server.namespace });
const beads = new BeadClient({ client });
const worker = await startWorker({ connection: { address: server.address }, namespace: server.namespace, taskQueue: 'p', home: home + '/h', logger: pino({ level: 'silent' }) });
try {
  for (let i = 0; i < 5; i++) {
    const bead = 'p' + i;
    writeFileSync('/tmp/gw/log', '');
    const t0 = Date.now();
    await beads.start({ bead, title: 'x', repo: origin, agent: { adapter: 'demo', options: { steps: 3, stepMs: 100, commits: 1 } } }, 'p');
    const tStart = Date.now(); await new Promise(r => setTimeout(r, 2000));
    let v; do { v = await beads.view(bead); await new Promise(r => setTimeout(r, 50)); } while (v.status !== 'closed');
    const id = v.attempts?.[0]?.id ?? v.current?.id;
    const r = JSON.parse(readFileSync(new AttemptDir(AttemptDir.of(home + '/h', bead, id).path).file('runner.json')));
    const rel = [['started', tStart], ['runner.startedAt', r.startedAt], ['spawnedAt', r.agent.spawnedAt]];
    const h = await client.workflow.getHandle('bead:' + bead).fetchHistory().catch(async () => client.workflow.getHandle((await (async()=>{for await (const w of client.workflow.list()) if (w.workflowId.includes(bead)) return w.workflowId})())).fetchHistory());
    for (const e of h.events) { const t = Number(e.eventTime.seconds) * 1000 + e.eventTime.nanos / 1e6; rel.push([`  ev ${e.eventId} ${Object.keys(e).find(k => k.endsWith('EventAttributes'))} ${e.workflowExecutionSignaledEventAttributes?.signalName ?? e.activityTaskScheduledEventAttributes?.activityType?.name ?? ''}`, t]); }
    for (const l of readFileSync('/tmp/gw/log', 'utf8').trim().split('\n')) { const [s, e, ...a] = l.split(' '); rel.push([`    git ${e - s} ms ${a.join(' ').slice(0, 90)}`, +s]); }
    const sp = r.agent.spawnedAt; 
    console.log('bead', i, 'spawn at', sp - t0);
    if (i >= 3) for (const [n, t] of rel.sort((a, b) => a[1] - b[1])) if (t <= sp + 5) console.log(String(Math.round(t - t0)).padStart(6), n);
  }
} finally { await worker.stop(); await connection.close(); await server.stop(); }
