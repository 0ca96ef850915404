import { mkdirSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { FleetClient } from '../../../src/client/index.js';
import { convoyBeadId } from '../../../src/contract/index.js';
import type { BeadView, Check, ConvoyView, RigSettings } from '../../../src/contract/index.js';
import { generous, makeOrigin, until } from './town.js';
import type { Town } from './town.js';

/** A rig with a repository, a check and a scratch folder of its own, and one convoy over it. */
export class RigStory {
  readonly fleet: FleetClient;

  private constructor(
    readonly town: Town,
    readonly name: string,
    /** For what agents and checks leave for the test to see, and the other way round. */
    readonly scratch: string,
    readonly origin: string,
  ) {
    this.fleet = new FleetClient(town, 30_000);
  }

  static async begin(town: Town, name: string): Promise<RigStory> {
    const unique = `${name}-${Math.random().toString(36).slice(2, 8)}`;
    const scratch = join(town.folder, unique);
    mkdirSync(scratch);
    const story = new RigStory(town, unique, scratch, join(scratch, 'origin.git'));
    await makeOrigin(story.origin);
    return story;
  }

  path(name: string): string {
    return join(this.scratch, name);
  }

  /** Adds the rig and starts a convoy with beads of these names, each of which needs the one before. */
  async go(
    beads: readonly string[],
    {
      agent,
      check,
      ...more
    }: { agent: string; check: string; timeout?: number } & Partial<Pick<RigSettings, 'strategy' | 'approval'>>,
  ): Promise<void> {
    const { timeout = 60_000, ...settings } = more;
    const checks: Check[] = [{ name: 'test', command: check, timeout }];
    const { queue } = this.town;
    // What every agent does first: its prompt is for the test to read.
    const command = `cp "$HEARTBEAD_PROMPT_FILE" "${this.scratch}/prompt-$HEARTBEAD_ATTEMPT"; ${agent}`;
    // With the clocks as they ship: nobody dies here, and a busy machine must not look like a death.
    await this.fleet.addRig(
      this.name,
      {
        repo: this.origin,
        base: 'main',
        agent: { adapter: 'shell', command },
        maxAgents: 4,
        checks,
        strategy: 'merge',
        approval: false,
        ...settings,
      },
      queue,
    );
    await this.fleet.createConvoy(
      {
        convoy: this.name,
        title: `Convoy ${this.name}`,
        rig: this.name,
        policy: 'wait',
        target: 'base',
        staged: false,
        beads: beads.map((id, n) => ({ id, title: `Work on ${id}`, needs: n === 0 ? [] : [beads[n - 1] ?? ''] })),
      },
      queue,
    );
  }

  bead(id: string): string {
    return convoyBeadId(this.name, id);
  }

  /** Waits until the bead is as asked for. A bead that nobody has started yet is waited for as well. */
  seen(id: string, what: string, is: (view: BeadView) => boolean): Promise<BeadView> {
    return this.town.seen(this.bead(id), what, is);
  }

  landed(): Promise<ConvoyView> {
    return this.convoyIs('has landed', ({ status }) => status === 'landed');
  }

  convoyIs(what: string, is: (view: ConvoyView) => boolean): Promise<ConvoyView> {
    return until(
      `convoy ${this.name} ${what}`,
      async () => {
        const view = await this.fleet.convoy(this.name);
        if (is(view)) return view;
        throw new Error(`${view.status}: ${view.reason}`);
      },
      2 * generous,
    );
  }

  /** The prompt of an attempt, by its number. */
  async prompt(view: BeadView, number: number): Promise<string> {
    const attempt = view.attempts.find((one) => one.number === number) ?? view.current;
    return readFile(this.path(`prompt-${attempt?.id ?? ''}`), 'utf8');
  }

  git(...args: string[]): Promise<string> {
    return execa('git', ['--git-dir', this.origin, ...args]).then(({ stdout }) => stdout.trim());
  }

  /** How often an item was merged into main. */
  async mergesOf(id: string): Promise<number> {
    const found = await this.git('log', '--format=%(trailers:key=Heartbead-Item,valueonly)', 'main');
    return found.split('\n').filter((item) => item === this.bead(id)).length;
  }

  /** How often something was done that leaves a line each time. */
  async count(name: string): Promise<number> {
    return (await readFile(this.path(name), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '').length;
  }

  async originBack(): Promise<void> {
    await rename(`${this.origin}.away`, this.origin);
  }
}
