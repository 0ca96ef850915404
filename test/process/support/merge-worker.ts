/**
 * A worker of the refinery in a process of its own: `node --import tsx merge-worker.ts '{address, namespace, town,
 * home, stopAt?}'`. Says `ready`; at the step `stopAt` it says `reached` and goes no further. SIGTERM shuts it down.
 */
import { NativeConnection, Worker } from '@temporalio/worker';
import { prepareRefinery, refineryWorkerOptions } from '../../../src/activities/refinery/index.js';

const { address, namespace, town, home, stopAt } = JSON.parse(process.argv[2] ?? '') as {
  address: string;
  namespace: string;
  town: string;
  home: string;
  stopAt?: string;
};
await prepareRefinery({ home });
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  namespace,
  ...refineryWorkerOptions({
    town,
    home,
    hostId: 'here',
    observe: async (step) => {
      if (step !== stopAt) return;
      process.stdout.write('reached\n');
      // Holds until the kill comes; ends by itself if the test does not live to send it.
      await new Promise((resolve) => setTimeout(resolve, 120_000));
    },
  }),
});
process.stdout.write('ready\n');
await worker.run();
await connection.close();
