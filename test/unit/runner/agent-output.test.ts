import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cappedLog } from '../../../src/runner/agent/agent-log.js';
import { AgentProcess } from '../../../src/runner/agent/agent-process.js';
import { AgentWatch, activityLine } from '../../../src/runner/agent/agent-watch.js';
import { beatText } from '../../../src/runner/beat-text.js';
import { lineChars, LineSplitter } from '../../../src/runner/agent/line-splitter.js';
import { shell } from '../../../src/agents/shell.js';
import { scratchFolder } from '../../support/scratch.js';

const split = (chunks: Buffer[]): string[] => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
};

describe('the output of an agent', () => {
  test('is split into the same lines however it is cut into chunks, characters of several bytes included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, '·'))),
        fc.integer({ min: 1, max: 7 }),
        (lines, size) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
            bytes.subarray(at * size, (at + 1) * size),
          );
          expect(split(chunks)).toEqual(lines);
        },
      ),
    );
  });

  test('a last line without an end counts; an end of CR LF is no part of the line', () => {
    expect(split([Buffer.from('one\r\ntwo')])).toEqual(['one', 'two']);
  });

  test('a line without end is cut and does not fill the memory; the next one is whole', () => {
    const [long, next] = split([...Array<Buffer>(64).fill(Buffer.alloc(16 * 1024, 'x')), Buffer.from('\nnext\n')]);
    expect(long).toHaveLength(lineChars);
    expect(next).toBe('next');
  });

  test('an event of several megabytes is handed on whole, and shortened in the log', async () => {
    const folder = scratchFolder('long-line');
    const lines: string[] = [];
    const code = `process.stdout.write(JSON.stringify({ picture: 'x'.repeat(5e6), last: 'word' }) + '\\nnext\\n')`;
    const agent = new AgentProcess({
      command: { file: process.execPath, args: ['-e', code], env: {}, failure: () => undefined },
      cwd: folder,
      logPath: join(folder, 'agent.log'),
      onLine: (line) => void lines.push(line),
      onTrouble: (what, error) => {
        throw new Error(what, { cause: error });
      },
    });
    expect(await agent.exit).toMatchObject({ code: 0 });
    await agent.close();
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ last: 'word' });
    expect(lines[1]).toBe('next');
    expect(statSync(join(folder, 'agent.log')).size).toBeLessThan(lineChars + 100);
  });

  test('an activity fits into one line of a table', () => {
    expect(activityLine('\u001b[1;31mred\u001b[0m\tand\r\nmore\u0007 ')).toBe('red and more');
    expect(activityLine('x'.repeat(500))).toHaveLength(200);
  });

  test('a parser that throws costs the meaning of that line and nothing else', () => {
    const troubles: unknown[] = [];
    const progress: unknown[] = [];
    const adapter = {
      ...shell,
      parser: () => (line: string) => {
        if (line === 'bad') throw new Error('cannot bear it');
        return { kind: 'progress' as const, activity: line };
      },
    };
    const watch = new AgentWatch(adapter, {
      onProgress: (...what) => progress.push(what),
      onTrouble: (...what) => troubles.push(what),
    });
    for (const line of ['one', 'bad', 'two']) watch.line(line, 'stdout');
    expect(progress).toEqual([
      ['output', 'one'],
      ['output', 'two'],
    ]);
    expect(troubles).toHaveLength(1);
  });

  test('mere life is shown but is no progress', () => {
    const progress: unknown[] = [];
    const adapter = { ...shell, parser: () => () => ({ kind: 'life' as const, activity: 'retries' }) };
    const watch = new AgentWatch(adapter, { onProgress: (...what) => progress.push(what), onTrouble: () => undefined });
    watch.line('x', 'stderr');
    expect(progress).toEqual([]);
    expect(watch).toMatchObject({ activity: 'retries', lastProgressAt: undefined });
  });

  test('its log is capped, whatever it prints', async () => {
    const folder = scratchFolder('log');
    const log = cappedLog(join(folder, 'agent.log'));
    const block = `${createHash('sha256').update('x').digest('hex').repeat(4)}\n`.repeat(4_000);
    for (let written = 0; written < 40e6; written += block.length) {
      if (!log.write(block)) await new Promise<void>((resolve) => log.once('drain', resolve));
    }
    await new Promise<void>((resolve) => log.end(resolve));
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    expect(sizes.length).toBeLessThanOrEqual(5);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(26e6);
  });
});

describe('the text of a beat', () => {
  const facts = { phase: 'running', runningMs: 750_000, orphan: false } as const;
  test('tells how long it runs, how long it has been silent, and with what', () => {
    expect(beatText({ ...facts, silentMs: 8_400, activity: 'Edit src/a.ts' })).toBe(
      'running for 13 min, last output 8 s ago (Edit src/a.ts)',
    );
    expect(beatText({ ...facts, runningMs: 400 })).toBe('running for under 1 s, no output yet');
  });
  test('tells of what is wrong', () => {
    expect(beatText({ ...facts, phase: 'frozen', orphan: true, pushProblem: 'no route' })).toBe(
      'frozen: the lease ran out; goes on when the bead answers; waits for adoption; last push failed: no route',
    );
  });
});
