/** Who may talk to the board. Pure, so that each rule is a line in a test. @module */
import { createHash } from 'node:crypto';
import { sameSecret } from '../edge/same-secret.js';

export interface SafetyOptions {
  /** Made anew at each start; whoever has it may do what the board may do. */
  token: string;
  port: number;
  /** The address that the board listens on. */
  host: string;
  readOnly: boolean;
  /** A proxy in front has its own login: what it hands on needs no token. */
  trustProxy: boolean;
}

/** What of a request is looked at. */
export interface RequestFacts {
  method: string;
  path: string;
  header: (name: string) => string | undefined;
}

/** A refusal with the status of HTTP that it means. */
export interface Refused {
  status: 400 | 401 | 403 | 421;
  message: string;
  next: string;
}

/** Everything the page loads is ours, and none of it is inline; no frame may hold it; no text ever becomes markup. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** Requests by which a page says what it looks at; they change nothing, so a read-only board takes them. */
const harmless: ReadonlySet<string> = new Set(['/api/v1/session', '/api/v1/looking']);

/** The rules of one board. */
export class Safety {
  readonly #options: SafetyOptions;
  readonly #names: ReadonlySet<string>;
  /** What the cookie holds: known by who knows the token, and worth nothing after the next start. */
  readonly session: string;

  constructor(options: SafetyOptions) {
    this.#options = options;
    const { host, port, token } = options;
    const bare = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    this.#names = new Set(['127.0.0.1', 'localhost', '[::1]', bare].map((name) => `${name}:${port}`.toLowerCase()));
    this.session = createHash('sha256').update(`heartbead board session ${token}`).digest('base64url');
  }

  /** Cookies know no ports: two boards on one machine would take each other's. */
  get cookieName(): string {
    return `heartbead-board-${this.#options.port}`;
  }

  /** @returns the header that keeps the session in the browser. */
  cookie(secure: boolean): string {
    return `${this.cookieName}=${this.session}; Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
  }

  isToken(text: string): boolean {
    return sameSecret(text, this.#options.token);
  }

  /** @returns why this request is refused, or undefined when it is not. */
  refusal(asked: RequestFacts): Refused | undefined {
    return this.#wrongHost(asked) ?? (asked.path.startsWith('/api/') ? this.#wrongCaller(asked) : undefined);
  }

  /** A name of a foreign site that was pointed at this machine (DNS rebinding) shows in `Host`. */
  #wrongHost({ header }: RequestFacts): Refused | undefined {
    const host = header('host')?.toLowerCase();
    return host !== undefined && this.#names.has(host)
      ? undefined
      : {
          status: 421,
          message: `the board does not answer for the host ${JSON.stringify(host ?? '')}`,
          next:
            'open the address that `heartbead board` printed; a proxy sends one of ' +
            `${[...this.#names].join(', ')} as Host (docs/board.md)`,
        };
  }

  #wrongCaller(asked: RequestFacts): Refused | undefined {
    const { method, path, header } = asked;
    const reads = method === 'GET' || method === 'HEAD';
    const foreign: Refused = {
      status: 403,
      message: 'the request comes from another site',
      next: 'use the page of the board itself, or send the token as `Authorization: Bearer …` from a script',
    };
    const origin = header('origin')?.toLowerCase();
    if (origin !== undefined && !this.#origins(asked).has(origin)) return foreign;
    const site = header('sec-fetch-site');
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return foreign;
    const bearer = /^Bearer (.+)$/i.exec(header('authorization') ?? '')?.[1];
    // Browsers name the origin of whatever changes something; without one it is a script, and that has the token.
    if (!reads && origin === undefined && bearer === undefined) return foreign;
    if (!reads && !/^application\/json(?:;|$)/i.test(header('content-type') ?? ''))
      return { status: 400, message: 'the body is to be JSON', next: 'send `Content-Type: application/json`' };
    if (path !== '/api/v1/session' && !this.#knows(asked, bearer))
      return {
        status: 401,
        message: 'the board does not know you',
        next: 'open the address that `heartbead board` or `heartbead up` printed: it holds the token of this start',
      };
    return this.#options.readOnly && !reads && !harmless.has(path)
      ? {
          status: 403,
          message: 'this board only shows: it was started with --read-only',
          next: 'use the command line, or a board without --read-only',
        }
      : undefined;
  }

  #origins({ header }: RequestFacts): ReadonlySet<string> {
    const own = [...this.#names].map((name) => `http://${name}`);
    const forwarded = this.#forwardedHost(header);
    return new Set(forwarded === undefined ? own : [...own, `https://${forwarded}`, `http://${forwarded}`]);
  }

  #forwardedHost(header: RequestFacts['header']): string | undefined {
    const forwarded = header('x-forwarded-host')?.toLowerCase();
    return this.#options.trustProxy && forwarded !== undefined && /^[\w.:[\]-]+$/.test(forwarded)
      ? forwarded
      : undefined;
  }

  #knows({ header }: RequestFacts, bearer: string | undefined): boolean {
    if (bearer !== undefined) return this.isToken(bearer);
    // Only a proxy names the host it was asked for: a visit past it needs the token all the same.
    if (this.#forwardedHost(header) !== undefined) return true;
    const cookie = (header('cookie') ?? '')
      .split(';')
      .map((part) => part.trim())
      .find((part) => part.startsWith(`${this.cookieName}=`));
    return cookie !== undefined && sameSecret(cookie.slice(this.cookieName.length + 1), this.session);
  }

  /** @returns who the proxy says is asking. */
  user({ header }: Pick<RequestFacts, 'header'>): string | undefined {
    if (!this.#options.trustProxy) return undefined;
    const named = ['x-forwarded-user', 'x-forwarded-email', 'remote-user'].map(header).find((name) => name);
    return named?.slice(0, 100);
  }
}
