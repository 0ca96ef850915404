import { NamespaceNotFoundError } from '@temporalio/common';
import { QueryNotRegisteredError, isGrpcDeadlineError, isGrpcServiceError } from '@temporalio/client';
import retry from 'p-retry';
import { KeysError } from '../codec/index.js';
import { ClientError, ConfigurationError, NoServerError, ServerRefusedError } from './errors.js';

// Codes of gRPC, which is not a direct dependency.
const code = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unavailable: 14,
  unauthenticated: 16,
} as const;

interface GrpcLike {
  code: number;
  details?: string;
}

/** @returns the gRPC error inside an error of the SDK, which wraps it once or twice. */
export function grpcError(error: unknown): GrpcLike | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (isGrpcServiceError(at)) return at;
  }
  return undefined;
}

/** @returns whether a query or update failed because nobody works on the bead's task queue. */
export function noWorkerAnswered(error: unknown): boolean {
  if (error instanceof QueryNotRegisteredError || isGrpcDeadlineError(error)) return true;
  // "no poller seen for task queue recently, worker may be down", and "workflow task is not scheduled yet" of a bead
  // nobody has ever run; at the deadline the server is sometimes quicker than our own clock and says "cancelled"
  // itself.
  const said = grpcError(error)?.code;
  return (said === code.failedPrecondition && !overtaken(error)) || said === code.cancelled;
}

/**
 * @returns whether an update was refused because the workflow task that would have answered it failed, and nothing of
 * it was kept. A server from 1.31 on says so where it takes the task again for everybody else: an update that ends its
 * workflow, and a signal that came in that moment (`UNHANDLED_COMMAND`).
 */
function overtaken(error: unknown): boolean {
  const said = grpcError(error);
  return said?.code === code.failedPrecondition && /workflow task failure/i.test(said.details ?? '');
}

/** Asks again for an update that a signal has overtaken: it was not carried out. */
export function unlessOvertaken<T>(update: () => Promise<T>): Promise<T> {
  return retry(update, { retries: 5, minTimeout: 50, factor: 2, shouldRetry: ({ error }) => overtaken(error) });
}

/** @returns whether the server knows no such workflow. A namespace that it does not know is another matter. */
export function isNotFound(error: unknown): boolean {
  const said = grpcError(error);
  return said?.code === code.notFound && !/namespace/i.test(said.details ?? '');
}

/** @returns what kept payloads from being sealed or opened; the SDK wraps it like what a server says. */
function keysError(error: unknown): KeysError | ConfigurationError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof KeysError || at instanceof ConfigurationError) return at;
  }
  return undefined;
}

/** Turns an error of a request into one for people; what nobody foresaw comes back as it was. */
export function asClientError(error: unknown): unknown {
  if (error instanceof ClientError) return error;
  const keys = keysError(error);
  if (keys !== undefined)
    return keys instanceof ClientError ? keys : new ConfigurationError(keys.message, keys.next, { cause: error });
  if (error instanceof NamespaceNotFoundError)
    return new ServerRefusedError(
      `the Temporal server has no namespace ${error.namespace}`,
      'correct TEMPORAL_NAMESPACE, or have the namespace made',
      { cause: error },
    );
  const grpc = grpcError(error);
  if (grpc === undefined) return error;
  const said = (grpc.details ?? '').split('\n')[0]?.slice(0, 300) ?? '';
  switch (grpc.code) {
    case code.cancelled:
    case code.unavailable:
    case code.deadlineExceeded:
      return new NoServerError(
        'the Temporal server did not answer in time',
        'try again; `heartbead doctor` looks for the cause',
        { cause: error },
      );
    case code.permissionDenied:
    case code.unauthenticated:
      return new ServerRefusedError(
        `the Temporal server refused the credentials: ${said}`,
        'check TEMPORAL_API_KEY or the TLS settings',
        { cause: error },
      );
    case code.notFound:
      return new ServerRefusedError(
        `the Temporal server does not know what was asked for: ${said}`,
        'check TEMPORAL_NAMESPACE',
        { cause: error },
      );
    case code.resourceExhausted:
      return new ServerRefusedError(
        `the Temporal server is overloaded or a limit was met: ${said}`,
        'wait a little, then try again',
        { cause: error },
      );
    case code.invalidArgument:
      return new ServerRefusedError(
        `the Temporal server did not accept the request: ${said}`,
        /search attribute|invalid query|BeadStatus|AgentStatus/i.test(said)
          ? 'register the search attributes with `heartbead up`, then try again'
          : '`heartbead doctor` checks the server',
        { cause: error },
      );
    default:
      return new ServerRefusedError(
        `the Temporal server answered with an error: ${said || `gRPC code ${grpc.code}`}`,
        'try again; `heartbead doctor` looks for the cause',
        { cause: error },
      );
  }
}
