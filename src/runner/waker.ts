/** Lets a loop sleep until its next turn, or until something happens that it should look at before. */
export class Waker {
  #awake = false;
  #resolve: (() => void) | undefined;

  /** Ends the sleep under way, or else the next one before it begins. */
  wake(): void {
    this.#awake = true;
    this.#resolve?.();
  }

  /** @param ms without it only {@link wake} ends the sleep. */
  async sleep(ms?: number): Promise<void> {
    if (!this.#awake) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        if (ms !== undefined) timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#resolve = undefined;
    }
    this.#awake = false;
  }
}
