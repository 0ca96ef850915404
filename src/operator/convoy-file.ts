import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { agentCells, convoyPolicies, convoyTargets } from '../contract/index.js';
import type { AgentSpec, ConvoyBead, ConvoySpec } from '../contract/index.js';
import { convoyProblem } from '../domain/index.js';
import type { Fields } from '../edge/schemas.js';
import { yamlSays } from '../edge/yaml-says.js';
import { usageError } from './cli-error.js';

const agent: z.ZodType<AgentSpec> = z.strictObject({
  adapter: z.string().min(1),
  command: z.string().optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  env: z.array(z.string()).optional(),
  network: z.array(z.string().max(300)).max(500).optional(),
  cell: z.enum(agentCells).optional(),
} satisfies Fields<AgentSpec>);
const bead: z.ZodType<ConvoyBead> = z.strictObject({
  id: z.string(),
  title: z.string(),
  body: z.string().optional(),
  needs: z.array(z.string()).default([]),
  priority: z.int().min(1).max(5).optional(),
  agent: agent.optional(),
} satisfies Fields<ConvoyBead>);
const file: z.ZodType<ConvoySpec> = z.strictObject({
  convoy: z.string(),
  title: z.string(),
  rig: z.string(),
  beads: z.array(bead),
  policy: z.enum(convoyPolicies).default('wait'),
  target: z.enum(convoyTargets).default('base'),
  staged: z.boolean().default(false),
} satisfies Fields<ConvoySpec>);

/**
 * Reads a convoy from YAML or JSON (which is YAML). Nothing has been started when it is refused.
 * @param name of the file, for messages.
 * @throws CliError (usage) that names the line and the path of what is wrong.
 */
export function readConvoyFile(text: string, name: string): ConvoySpec {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [broken] = document.errors;
  if (broken)
    throw usageError(
      `${name}:${lines.linePos(broken.pos[0]).line}: ${yamlSays(broken)}`,
      'mend the file; docs/cli.md shows one',
    );
  if (document.contents === null) throw usageError(`${name} is empty`, 'docs/cli.md shows a convoy');
  const parsed = file.safeParse(document.toJS());
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path ?? [];
    throw usageError(
      `${name}:${lineOf(document, path, lines)}: ` +
        `${path.length === 0 ? '' : `${path.join('.')}: `}${issue?.message ?? 'not a convoy'}`,
      'mend the file; docs/cli.md shows one',
    );
  }
  const spec = parsed.data;
  const problem = convoyProblem(spec);
  if (problem !== undefined) throw usageError(`${name}: ${problem}`, 'mend the file; nothing was started');
  return spec;
}

/** The line of the deepest part of the path that the file has. */
function lineOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const node: unknown = document.getIn(path.slice(0, depth), true);
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
    if (range) return lines.linePos(range[0]).line;
  }
  return 1;
}
