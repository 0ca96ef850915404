import { describe, expect, test } from 'vitest';
import { colouredLine, escapedJson, markdownText, plainLine } from '../../src/contract/index.js';
import { beadPanel } from '../../src/domain/bead/panel.js';
import { oneLine } from '../../src/cli/render/format.js';
import { activityLine as activity } from '../../src/runner/agent/agent-watch.js';

/** What a hostile agent prints, and what of it a reader may see. */
const hostile: [string, string, string][] = [
  ['writes the clipboard (OSC 52)', 'a\x1b]52;c;cm0gLXJmIH4=\x07b', 'ab'],
  ['sets the title (OSC 0, ended by ST)', 'a\x1b]0;root@prod\x1b\\b', 'ab'],
  ['an OSC that never ends', 'a\x1b]8;;http://evil.example', 'a'],
  ['clears the screen', 'a\x1b[2Jb', 'ab'],
  ['C1 control sequence', 'a\x9b2Jb', 'ab'],
  ['C1 operating system command', 'a\x9d0;title\x9cb', 'ab'],
  ['a device control string', 'a\x1bPq#0\x1b\\b', 'ab'],
  ['a bare escape', 'a\x1bcb', 'a cb'],
  ['writes over the line (CR)', 'failed\rpassed', 'failed passed'],
  ['goes back (BS)', 'no\b\byes', 'no yes'],
  ['turns the direction (RLO)', 'a\u202eb', 'a b'],
  ['isolates a direction', 'a\u2066b\u2069c', 'a b c'],
  ['line and paragraph separators', 'a\u2028b\u2029c', 'a b c'],
  ['marks a direction', 'a\u200eb\u200fc\u061cd', 'a b c d'],
  ['parts a word by what takes no room', 'pay\u200bp\u2060a\ufeffl\u00ad.com', 'pay p a l .com'],
  ['writes letters that nobody sees (tags)', 'ok\u{e0049}\u{e0067}\u{e006e}', 'ok'],
  ['fills with what looks like nothing', 'a\u3164b\u115fc\uffa0d', 'a b c d'],
  ['other C1 controls', 'a\x85b\x8fc', 'a b c'],
];

describe.each(hostile)('an agent that %s', (_, said, seen) => {
  test('is shown as text everywhere', () => {
    for (const shown of [plainLine(said), oneLine(said), activity(said), colouredLine(said)]) expect(shown).toBe(seen);
    expect(escapedJson(JSON.stringify(said))).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(escapedJson(JSON.stringify(said)))).toBe(said);
  });
});

test('every character that turns a direction, and every one that is neither seen nor needed to write', () => {
  const kept = ['\u200c', '\u200d'];
  const every = Array.from({ length: 0x11_0000 }, (_, code) => (code < 0xd800 || code > 0xdfff ? code : 0x41));
  const hidden = every
    .map((code) => String.fromCodePoint(code))
    .filter((one) => /\p{Bidi_Control}|\p{Cc}|\p{Zl}|\p{Zp}/u.test(one) || (/\p{Cf}/u.test(one) && isIgnorable(one)))
    .filter((one) => !kept.includes(one));
  expect(hidden.length).toBeGreaterThan(150);
  for (const one of hidden) {
    expect(plainLine(`a${one}b`), one.codePointAt(0)?.toString(16)).not.toContain(one);
    if (one !== '\t') expect(colouredLine(`a${one}b`), one.codePointAt(0)?.toString(16)).not.toContain(one);
  }
  const json = escapedJson(JSON.stringify(hidden));
  expect(json).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(json)).toEqual(hidden);
});
const isIgnorable = (one: string): boolean => /\p{Default_Ignorable_Code_Point}/u.test(one);

test('colours of output stay, and end with their line', () => {
  expect(colouredLine('\x1b[1;31mred\x1b[0m\tplain')).toBe('\x1b[1;31mred\x1b[0m\tplain\x1b[0m');
  expect(colouredLine('\x1b[31m\x1b[5n\x1b[?25lred')).toBe('\x1b[31mred\x1b[0m');
  expect(colouredLine('  as it was')).toBe('  as it was');
});

test('letters of all scripts stay, joined emoji too', () => {
  for (const text of ['Grüße', '日本語', 'עברית', 'العربية', '👩‍💻']) expect(plainLine(text)).toBe(text);
});

test("a panel of Markdown has an agent's words as words", () => {
  const said = '[click](http://evil.example) **done** `x` | <img src=x> _a_\n# head';
  expect(markdownText(said)).toBe(
    '\\[click\\](http://evil.example) \\*\\*done\\*\\* \\`x\\` \\| \\<img src=x\\> \\_a\\_ # head',
  );
  const panel = beadPanel({
    status: 'open',
    agent: 'none',
    reason: said,
    attempts: [{ number: 1, outcome: 'agent_failed', reason: said }],
    story: [{ at: 0, text: said }],
    used: { agentFailures: 0, infraLosses: 0 },
    budgets: { agentFailures: 5, infraLosses: 10 },
    messages: [],
  } as unknown as Parameters<typeof beadPanel>[0]);
  expect(panel).not.toMatch(/(?<!\\)\[click/);
  expect(panel.match(/\\\[click\\\]/g)?.length).toBeGreaterThanOrEqual(3);
});
