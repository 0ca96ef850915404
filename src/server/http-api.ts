import { execa } from 'execa';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { isIPv6 } from 'node:net';

/**
 * Temporal's server has an HTTP API besides gRPC, and by default it takes requests for every host, also what any web
 * page can send without being asked first: a POST of plain text. A page that an operator has open could start beads.
 * @module
 */

/** Where a server that nobody told otherwise has its HTTP API; the dev server takes any free port. */
export const usualHttpApiPort = 7243;
const answerWithinMs = 2_000;

/**
 * Sends to each port what a web page could send, as a start of no workflow: an open API answers that it lacks a type, a
 * closed one that it does not serve this host.
 * @returns the ports whose API took the request.
 */
export async function portsOpenToWebPages(
  host: string,
  ports: readonly number[],
  namespace: string,
): Promise<number[]> {
  const found = await Promise.all(ports.map((port) => takesCrossSiteRequest(host, port, namespace)));
  return ports.filter((_, index) => found[index]);
}

async function takesCrossSiteRequest(host: string, port: number, namespace: string): Promise<boolean> {
  const at = isIPv6(host) ? `[${host}]` : host;
  const url = `http://${at}:${port}/api/v1/namespaces/${encodeURIComponent(namespace)}/workflows/heartbead-probe`;
  let status: number;
  let body: unknown;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', origin: 'http://a-web-page.invalid' },
      body: '{}',
      redirect: 'error',
      signal: AbortSignal.timeout(answerWithinMs),
    });
    status = response.status;
    body = await response.json();
  } catch {
    // Nobody listens, or what listens there speaks no HTTP, or no JSON: it is no HTTP API.
    return false;
  }
  if (status === 401 || status === 403) return false;
  // Every answer of the API is its own result or a gRPC status; the Web UI's refusal ("missing csrf token") is neither.
  return status < 300 || typeof (body as { code?: unknown } | null)?.code === 'number';
}

/** @returns the TCP ports on which a process listens; none when that cannot be seen here. */
export async function listeningPorts(pid: number): Promise<number[]> {
  return process.platform === 'linux' ? portsByProc(pid) : portsByLsof(pid);
}

function portsByProc(pid: number): number[] {
  const sockets = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) sockets.add(inode);
    }
  } catch (error) {
    // It has ended meanwhile, or belongs to another user.
    if (['ENOENT', 'EACCES', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  const listening = '0A';
  const ports = ['tcp', 'tcp6'].flatMap((table) =>
    tableOf(pid, table)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === listening && sockets.has(fields[9] ?? ''))
      .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)),
  );
  return [...new Set(ports)].sort((a, b) => a - b);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // A descriptor that was closed since the folder was read.
    return '';
  }
}

function tableOf(pid: number, table: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, 'utf8').split('\n').slice(1);
  } catch {
    // A host without IPv6 has no such table.
    return [];
  }
}

async function portsByLsof(pid: number): Promise<number[]> {
  const { stdout } = await execa('lsof', ['-nP', '-a', '-p', String(pid), '-iTCP', '-sTCP:LISTEN', '-Fn'], {
    reject: false,
    stdin: 'ignore',
    timeout: 10_000,
  });
  const ports = [...stdout.matchAll(/^n.*:(\d+)$/gm)].map((match) => Number(match[1]));
  return [...new Set(ports)].sort((a, b) => a - b);
}
