import type { Time } from './time.js';

/** Lets a loop sleep until its next turn, or until something happens that it should look at before. */
export class Waker {
  #awake = false;
  #resolve: (() => void) | undefined;

  constructor(private readonly time: Time) {}

  /** Ends the sleep under way, or else the next one before it begins. */
  wake(): void {
    this.#awake = true;
    this.#resolve?.();
  }

  /** @param ms without it only {@link wake} ends the sleep. */
  async sleep(ms?: number): Promise<void> {
    if (!this.#awake) {
      await new Promise<void>((resolve) => {
        const cancel = ms === undefined ? undefined : this.time.timer(ms, resolve);
        this.#resolve = () => {
          cancel?.();
          resolve();
        };
      });
      this.#resolve = undefined;
    }
    this.#awake = false;
  }
}
