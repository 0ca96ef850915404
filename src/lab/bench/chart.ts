import { round } from './figures.js';
import type { Figure } from './figures.js';

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const style = `
  text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-size: 16px; font-weight: bold; } .small { font-size: 11px; fill: #59636e; }
  .less { fill: #1a7f37; } .more { fill: #0969da; } .one { stroke: #59636e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; }
    .less { fill: #238636; } .more { fill: #1f6feb; } .one { stroke: #9198a1; }
  }`;

/**
 * @returns the ratios as bars on a logarithmic scale around 1: to the left less than what it is compared with, to the
 * right more.
 */
export function chart(figures: readonly Figure[]): string {
  const bars = figures.flatMap(({ name, ratio, against }) =>
    ratio === undefined || ratio <= 0 || against === undefined ? [] : [{ name, ratio, what: against.what }],
  );
  const size = { width: 900, left: 290, right: 90, top: 56, row: 34 };
  const reach = Math.max(1, ...bars.map(({ ratio }) => Math.abs(Math.log10(ratio))));
  const x = (ratio: number): number =>
    Math.round(size.left + ((Math.log10(ratio) + reach) / (2 * reach)) * (size.width - size.left - size.right));
  const height = size.top + bars.length * size.row + 16;
  const rows = bars.map(({ name, ratio, what }, n) => {
    const y = size.top + n * size.row;
    const [from, to] = [Math.min(x(1), x(ratio)), Math.max(x(1), x(ratio))];
    return [
      `<text x="16" y="${y + 11}">${escape(name)}</text>`,
      `<text class="small" x="16" y="${y + 25}">against ${escape(what)}</text>`,
      `<rect class="${ratio < 1 ? 'less' : 'more'}" x="${from}" y="${y}" width="${Math.max(to - from, 1)}" ` +
        'height="18" rx="2"/>',
      `<text x="${to + 6}" y="${y + 14}">${round(ratio)}</text>`,
    ].join('\n');
  });
  const box = `viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}"`;
  const title = 'Ratios, logarithmic: left of the line less, right of it more than what it is compared with';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} role="img" aria-label="Ratios of the benchmarks">
<style>${style}
</style>
<text class="title" x="16" y="28">${title}</text>
<line class="one" x1="${x(1)}" x2="${x(1)}" y1="${size.top - 8}" y2="${height - 8}"/>
${rows.join('\n')}
</svg>
`;
}
