import { spawnSync } from 'node:child_process';
import { probeCell } from '../../src/cell/index.js';

/**
 * Whether this host can make cells. On a machine of CI that lacks bubblewrap it is installed; nobody else's machine is
 * changed by a test.
 * @returns why there is no cell here, or undefined.
 */
export function noCellHere(): string | undefined {
  const look = (): string | undefined => {
    const probe = probeCell(process.env);
    return 'problem' in probe ? probe.problem : undefined;
  };
  const problem = look();
  if (problem === undefined || process.env['CI'] === undefined || process.getuid?.() !== 0) return problem;
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'bubblewrap'], {
    stdio: 'ignore',
    timeout: 100_000,
  });
  return look();
}

/**
 * @returns a command of a shell that says something by the error output of the cell's first process, and fails:
 * `pidfd_open` and `pidfd_getfd`, by their numbers on all architectures. Where the kernel forbids that, it just fails.
 */
export const sayingBy1 = (text: string): string =>
  `perl -e '$p=syscall(434,1,0); $d=syscall(438,$p,2,0); open(F,">&=",$d) or exit 1; print F "${text}\\n"; exit 1'`;
