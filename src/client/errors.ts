/**
 * What a client of Heartbead can meet, as types: each says what happened in one sentence and what to do next in
 * another.
 * @module
 */
import type { BeadStatus } from '../contract/index.js';

/** Base of all expected failures of the client. `next` is a step a person can take; never a destructive command. */
export abstract class ClientError extends Error {
  constructor(
    message: string,
    readonly next: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** No server is configured and none that `heartbead up` started is running, or the configured one does not answer. */
export class NoServerError extends ClientError {}

/** The settings by which this program reaches its town, and reads it, cannot be used. */
export class ConfigurationError extends ClientError {}

/** The server answered, but refused the request as such (credentials, namespace, an unregistered search attribute). */
export class ServerRefusedError extends ClientError {}

/** Nothing that serves the bead's task queue answered in time. The bead itself is safe on the server. */
export class NoWorkerError extends ClientError {
  constructor(what: string, options?: ErrorOptions) {
    super(
      `no worker answered for ${what}`,
      'start one with `heartbead up` (or `heartbead worker` in the foreground), then ask again',
      options,
    );
  }
}

export class BeadNotFoundError extends ClientError {
  constructor(readonly bead: string) {
    super(`there is no bead ${bead}`, 'list the beads with `heartbead ls --all`');
  }
}

/** `sling` with an id that is in use, or that belongs to a bead which has finished its work. */
export class BeadExistsError extends ClientError {
  constructor(
    readonly bead: string,
    readonly status: string,
  ) {
    super(
      `bead ${bead} exists already (${status}); nothing was changed`,
      status === 'closed' || status === 'failed'
        ? 'choose another --id, or leave it away to get a new one'
        : `look at it with \`heartbead show ${bead}\`, or choose another --id`,
    );
  }
}

/** The bead has ended, so that it can neither be nudged nor paused nor retried. */
export class BeadEndedError extends ClientError {
  constructor(
    readonly bead: string,
    readonly status: BeadStatus | 'terminated',
  ) {
    super(`bead ${bead} has ended (${status})`, `see how with \`heartbead show ${bead}\``);
  }
}

/** The bead's own rules refused a request; the message is the bead's sentence. */
export class BeadRefusedError extends ClientError {
  constructor(
    readonly bead: string,
    sentence: string,
    options?: ErrorOptions,
  ) {
    super(sentence, `see its state with \`heartbead explain ${bead}\``, options);
  }
}

/** The bead was retried, and goes on with the agent or base that it had: whoever runs it knows of no other. */
export class ChangeIgnoredError extends ClientError {
  constructor(
    readonly bead: string,
    names: readonly string[],
  ) {
    const what = names.join(' and ');
    super(
      `bead ${bead} was retried, but with the ${what} that it had: its worker is of an earlier build, which knows no ` +
        'other',
      `\`heartbead pause ${bead}\` holds it meanwhile; upgrade the worker, resume it, then retry it again`,
    );
  }
}

/** What besides beads can be asked for. */
export type FleetKind = 'rig' | 'convoy';

export class FleetNotFoundError extends ClientError {
  constructor(kind: FleetKind, id: string) {
    super(`there is no ${kind} ${id}`, `list them with \`heartbead ${kind} ls\``);
  }
}

export class FleetExistsError extends ClientError {
  constructor(kind: FleetKind, id: string) {
    super(
      `${kind} ${id} exists already; nothing was changed`,
      kind === 'rig'
        ? `change it with \`heartbead rig set ${id}\`, or choose another name`
        : `look at it with \`heartbead convoy show ${id}\`, or choose another id`,
    );
  }
}

export class FleetEndedError extends ClientError {
  constructor(kind: FleetKind, id: string, how: string) {
    super(`${kind} ${id} has ended (${how})`, `see \`heartbead ${kind} ls --all\``);
  }
}

/** The rules of a rig or convoy refused a request; the message is its own sentence. */
export class FleetRefusedError extends ClientError {
  constructor(kind: FleetKind, id: string, sentence: string, options?: ErrorOptions) {
    super(sentence, `see its state with \`heartbead ${kind} show ${id}\``, options);
  }
}

/** The host of an attempt does not take what is asked of it. */
export class HostAwayError extends ClientError {
  constructor(
    readonly host: string,
    options?: ErrorOptions,
  ) {
    super(
      `host ${host} does not answer: its worker is not up, or cannot reach Temporal`,
      'start its worker (`heartbead up` there), then ask again',
      options,
    );
  }
}

/** The host of an attempt has no such thing to read. */
export class AttemptUnreadableError extends ClientError {
  constructor(message: string, bead: string, options?: ErrorOptions) {
    super(message, `see how the attempt ended with \`heartbead show ${bead}\``, options);
  }
}
