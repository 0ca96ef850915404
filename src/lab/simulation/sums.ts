/** What a simulation has seen so far, and how it is told: progress on stderr, the sums on stdout. */
export class Sums {
  readonly #started = performance.now();
  #seeds = 0;
  #steps = 0;
  #attempts = 0;
  #strays = 0;
  #toldAt = 0;
  readonly #ends = new Map<string, number>();

  constructor(private readonly all: number) {}

  add({
    seeds,
    steps = 0,
    attempts,
    strays,
    ends,
  }: {
    seeds: number;
    steps?: number;
    attempts: number;
    strays: number;
    ends: Record<string, number>;
  }): void {
    this.#seeds += seeds;
    this.#steps += steps;
    this.#attempts += attempts;
    this.#strays += strays;
    for (const [status, n] of Object.entries(ends)) this.#ends.set(status, (this.#ends.get(status) ?? 0) + n);
    this.#tell();
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1_000;
  }

  #tell(): void {
    const terminal = process.stderr.isTTY;
    if (performance.now() - this.#toldAt < (terminal ? 200 : 10_000)) return;
    this.#toldAt = performance.now();
    process.stderr.write(`${this.#seeds} of ${this.all}${terminal ? '\r' : '\n'}`);
  }

  print(failed: number): void {
    const { seconds } = this;
    const speed =
      this.#steps > 0
        ? `, ${this.#steps} events of beads, each checked (${Math.round((this.#steps / seconds) * 60)} a minute)`
        : '';
    console.log(
      `${this.#seeds} seeds in ${seconds.toFixed(1)} s (${((this.#seeds / seconds) * 60).toFixed(0)} a minute)${speed}`,
    );
    console.log(
      `${this.#attempts} attempts, ${this.#strays} stray messages; beads came to rest ` +
        `${[...this.#ends].map(([status, n]) => `${status} ${n}`).join(', ')}`,
    );
    console.log(`${failed} failed`);
  }
}
