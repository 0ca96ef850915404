import type { Colors } from 'picocolors/types.js';
import type { Usage } from '../../contract/index.js';
import type { BeadCost, GroupCost } from '../../domain/telling/costs.js';
import { oneLine, table } from './format.js';

const count = (n: number): string => Math.round(n).toLocaleString('en-US');
const money = (usd: number): string => (usd === 0 ? '-' : `$${usd.toFixed(usd < 1 ? 4 : 2)}`);
const cells = (usage: Usage): string[] => [
  count(usage.inputTokens),
  count(usage.cachedTokens),
  count(usage.outputTokens),
  count(usage.turns),
  money(usage.costUsd),
];
const usageHead = ['INPUT', 'OF THAT CACHED', 'OUTPUT', 'TURNS', 'COST'];

/** @returns the costs as tables: per bead, convoy and rig, and the sum. */
export function costsPage(
  { beads, convoys, rigs, total }: { beads: BeadCost[]; convoys: GroupCost[]; rigs: GroupCost[]; total: GroupCost },
  c: Colors,
): string {
  if (beads.length === 0) return 'no beads';
  const group = (head: string, groups: GroupCost[]): string[] =>
    groups.length === 0
      ? []
      : [
          '',
          table(
            [head, 'BEADS', 'ATTEMPTS', ...usageHead],
            groups.map(({ name, beads: members, attempts, usage }) => [
              name,
              String(members),
              String(attempts),
              ...cells(usage),
            ]),
            c,
          ),
        ];
  return [
    table(
      ['BEAD', 'STATUS', 'ATTEMPTS', ...usageHead, 'BUDGET'],
      beads.map((bead) => [
        oneLine(bead.bead, 60),
        bead.status,
        String(bead.attempts),
        ...cells(bead.usage),
        budgetOf(bead),
      ]),
      c,
    ),
    ...group('CONVOY', convoys),
    ...group('RIG', rigs),
    '',
    `in all: ${total.beads} ${total.beads === 1 ? 'bead' : 'beads'}, ${total.attempts} attempts, ` +
      `${count(total.usage.inputTokens)} tokens in (${count(total.usage.cachedTokens)} of them cached), ` +
      `${count(total.usage.outputTokens)} out, ${money(total.usage.costUsd)}`,
    c.dim('ended attempts only; as the agent programs tell it: one that tells nothing counts as nothing'),
  ].join('\n');
}

const budgetOf = ({ budget }: BeadCost): string =>
  [
    budget?.maxTokens === undefined ? '' : `${count(budget.maxTokens)} tokens`,
    budget?.maxCostUsd === undefined ? '' : `$${budget.maxCostUsd}`,
  ]
    .filter((text) => text !== '')
    .join(', ') || '-';
