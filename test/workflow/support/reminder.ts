import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

const { remind } = proxyActivities<{ remind: () => Promise<string> }>({
  taskQueue: 'letters',
  startToCloseTimeout: '1 hour',
});

/** Somebody else's workflow: a letter a day, until it is paid. @returns how many letters it took. */
export async function reminder(): Promise<number> {
  let paid = false;
  setHandler(defineSignal('paid'), () => {
    paid = true;
  });
  for (let letters = 0; ; letters += 1) {
    if (await condition(() => paid, '24 hours')) return letters;
    await remind();
  }
}
