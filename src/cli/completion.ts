import type { Command } from 'commander';
import { shellQuoted } from '../edge/shell-quoted.js';
import { beadStatuses } from '../contract/index.js';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type CompletionShell = (typeof shells)[number];
/** What has names that a shell can ask for: `heartbead completion beads`. */
export const idKinds = ['beads', 'rigs', 'convoys', 'agents', 'hosts'] as const;
export type IdKind = (typeof idKinds)[number];

/** A verb, or a verb of a group, as a shell completes it. */
interface Entry {
  /** `convoy create`; empty for the program itself. */
  path: string;
  words: { word: string; help: string }[];
  /** Its first argument is one of these. */
  ids?: IdKind;
}

/** @returns a script for a shell, made of the very commands that exist. */
export function completionScript(program: Command, shell: CompletionShell): string {
  const entries = entriesOf(program, []);
  switch (shell) {
    case 'bash':
      return bash(entries);
    case 'zsh':
      return zsh(entries);
    case 'fish':
      return fish(entries);
  }
}

function entriesOf(command: Command, path: string[]): Entry[] {
  const verbs = command.commands.map((child) => ({ word: child.name(), help: child.description() }));
  const options = [
    ...command.options.flatMap(({ long, description }) =>
      typeof long === 'string' ? [{ word: long, help: description }] : [],
    ),
    { word: '--help', help: 'show help' },
  ];
  const ids = idsOf(command, path);
  return [
    { path: path.join(' '), words: [...verbs, ...options], ids },
    ...command.commands.flatMap((child) => entriesOf(child, [...path, child.name()])),
  ];
}

/** What the first argument of a verb names. */
function idsOf(command: Command, [group, verb]: string[]): IdKind | undefined {
  switch (command.registeredArguments[0]?.name()) {
    case 'bead':
      return 'beads';
    case 'rig':
      return 'rigs';
    case 'convoy':
      return 'convoys';
    case 'name':
      return group === 'rig' && verb !== 'add' ? 'rigs' : undefined;
    default:
      return undefined;
  }
}

/** Options that take a name of that kind. `board --host` takes an address. */
const named: readonly { option: string; ids: IdKind; not?: string }[] = [
  { option: 'rig', ids: 'rigs' },
  { option: 'convoy', ids: 'convoys' },
  { option: 'agent', ids: 'agents' },
  { option: 'host', ids: 'hosts', not: 'board' },
];
/** Those that take one of a few words. */
const chosen = [{ option: 'status', words: beadStatuses.join(' ') }] as const;

/** What a POSIX shell does with the word before: the value of an option is nothing else. */
const afterOption = (word: string): string =>
  `  case ${word} in\n` +
  named
    .map(
      ({ option, ids, not }) =>
        `    --${option}) ${not === undefined ? '' : `[ "$verb" = ${not} ] || `}{ ids=${ids}; words=""; } ;;\n`,
    )
    .join('') +
  chosen.map(({ option, words }) => `    --${option}) ids=""; words=${quoted(words)} ;;\n`).join('') +
  '  esac';

/** The verbs of each kind of id. */
const byKind = (entries: Entry[]): [IdKind, string[]][] =>
  idKinds
    .map((kind): [IdKind, string[]] => [kind, entries.filter(({ ids }) => ids === kind).map(({ path }) => path)])
    .filter(([, paths]) => paths.length > 0);

const groups = (entries: Entry[]): string[] =>
  entries
    .map(({ path }) => path)
    .filter((path) => path !== '' && entries.some((other) => other.path.startsWith(`${path} `)));

/** Everything that is completed is a word of ours: letters, digits and dashes. Only help texts need quotes. */
const quoted = shellQuoted;

function bash(entries: Entry[]): string {
  return `# heartbead: completion for bash. Use: source <(heartbead completion bash)
_heartbead() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" verb="" word i args=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    if [ -z "$verb" ]; then verb="$word"; continue; fi
    case " ${groups(entries).join(' ')} " in *" $verb "*) verb="$verb $word" ;; *) args=$((args + 1)) ;; esac
  done
  local words="" ids=""
  case "$verb" in
${entries
  .map(({ path, words }) => `    ${quoted(path)}) words=${quoted(words.map(({ word }) => word).join(' '))} ;;`)
  .join('\n')}
  esac
  [ "$args" -gt 0 ] || case "$verb" in
${byKind(entries)
  .map(([kind, paths]) => `    ${paths.map(quoted).join(' | ')}) ids=${kind} ;;`)
  .join('\n')}
  esac
${afterOption('"${COMP_WORDS[COMP_CWORD - 1]}"')}
  case "$cur" in -*) ids="" ;; esac
  COMPREPLY=()
  # What a server says is text to compare, and never expanded, as \`compgen -W\` would do.
  while IFS= read -r word; do
    case "$word" in "" | *[!a-z0-9._-]*) continue ;; esac
    [[ "$word" != "$cur"* ]] || COMPREPLY+=("$word")
  done < <(printf '%s\\n' $words; [ -z "$ids" ] || heartbead completion "$ids" 2>/dev/null)
}
complete -o default -F _heartbead heartbead
`;
}

function zsh(entries: Entry[]): string {
  const described = ({ word, help }: Entry['words'][number]): string =>
    quoted(`${word}:${help.replaceAll(':', '\\:')}`);
  return `#compdef heartbead
# heartbead: completion for zsh. Use: source <(heartbead completion zsh)
_heartbead() {
  local verb="" word i ids="" args=0
  local -a found named
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    [[ "$word" == -* ]] && continue
    if [[ -z "$verb" ]]; then
      verb="$word"
    elif [[ " ${groups(entries).join(' ')} " == *" $verb "* ]]; then
      verb="$verb $word"
    else
      (( args += 1 ))
    fi
  done
  case "$verb" in
${entries.map(({ path, words }) => `    ${quoted(path)}) found=(${words.map(described).join(' ')}) ;;`).join('\n')}
  esac
  (( args > 0 )) || case "$verb" in
${byKind(entries)
  .map(([kind, paths]) => `    ${paths.map(quoted).join(' | ')}) ids=${kind} ;;`)
  .join('\n')}
  esac
  case "\${words[CURRENT - 1]}" in
${named
  .map(
    ({ option, ids, not }) =>
      `    --${option}) ${not === undefined ? '' : `[[ "$verb" == ${not} ]] || `}{ ids=${ids}; found=() } ;;`,
  )
  .join('\n')}
${chosen.map(({ option, words }) => `    --${option}) ids=""; found=(${words}) ;;`).join('\n')}
  esac
  if [[ -n "$ids" && "\${words[CURRENT]}" != -* ]]; then named=(\${(f)"$(heartbead completion "$ids" 2>/dev/null)"}); fi
  _describe 'id' named
  _describe 'heartbead' found || _files
}
compdef _heartbead heartbead
`;
}

function fish(entries: Entry[]): string {
  const lines = entries.flatMap(({ path, words, ids }) => {
    const parts = path === '' ? [] : path.split(' ');
    const below = entries
      .filter(
        (other) =>
          other.path.startsWith(path === '' ? '' : `${path} `) &&
          other.path.split(' ').length === parts.length + 1 &&
          other.path !== '',
      )
      .map((other) => other.path.split(' ').at(-1) ?? '');
    // `show` is a verb, and one of two groups as well.
    const seen = [
      ...parts.map((part) => `__fish_seen_subcommand_from ${part}`),
      ...(parts.length === 1 && below.length === 0
        ? [`not __fish_seen_subcommand_from ${groups(entries).join(' ')}`]
        : []),
    ];
    const verbOnly = [...seen, ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`])];
    const named =
      ids === undefined
        ? []
        : [`complete -c heartbead -n ${quoted(seen.join('; and '))} -f -a '(heartbead completion ${ids} 2>/dev/null)'`];
    return [
      ...named,
      ...words.map(({ word, help }) => {
        const condition = (
          word.startsWith('--')
            ? path === ''
              ? ['__fish_use_subcommand']
              : seen
            : path === ''
              ? ['__fish_use_subcommand']
              : verbOnly
        ).join('; and ');
        return (
          `complete -c heartbead -n ${quoted(condition)} ` +
          `${word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`} -d ${quoted(help)}`
        );
      }),
    ];
  });
  const values = [
    ...named.map(
      ({ option, ids, not }) =>
        `complete -c heartbead ${not === undefined ? '' : `-n ${quoted(`not __fish_seen_subcommand_from ${not}`)} `}` +
        `-l ${option} -x -a '(heartbead completion ${ids} 2>/dev/null)'`,
    ),
    ...chosen.map(({ option, words }) => `complete -c heartbead -l ${option} -x -a ${quoted(words)}`),
  ];
  const all = [...lines, ...values].join('\n');
  return `# heartbead: completion for fish. Use: heartbead completion fish | source\n${all}\n`;
}
