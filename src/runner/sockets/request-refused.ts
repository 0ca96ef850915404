/** A refusal with a status of its own; its message is the answer's `error`. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  constructor(
    /** 400 bad input, 404 no such thing, 409 not now, 413 too large, 429 too many, 503 try again. */
    readonly status: 400 | 404 | 409 | 413 | 429 | 503,
    message: string,
  ) {
    super(message);
  }
}
