import type { Script, Situation, Step } from './fake-llm.js';

const work = `printf 'hello\\n' > hello.txt && git add -A && git commit -q -m 'add hello'`;
/** A program without MCP reports by the command line. */
const report = (tools: string[]): Step =>
  tools.some((name) => name.includes('heartbead'))
    ? { report: 'done', args: { summary: 'hello is there' } }
    : { shell: 'heartbead agent done "hello is there"' };

/** Writes a file, commits it, reports done. */
export const diligent: Script = ({ step, tools }) =>
  step === 0 ? { shell: work } : step === 1 ? report(tools) : { say: 'It is done.' };

/** @returns the number of the attempt that a prompt of ours is for. */
export const attemptOf = ({ prompt }: Situation): number => Number(/attempt (\d+)-/.exec(prompt)?.[1]);
