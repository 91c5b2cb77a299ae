/** What `ParleyError` is made of. */
export interface ErrorDetails {
  status?: number | undefined;
  channel?: string | undefined;
  retryAfter?: number | undefined;
  cause?: unknown;
}

/**
 * Everything that this client refuses or reports.
 *
 * `code` is what the server said (`unauthorized_channel`, `rate_limit_exceeded`, …) or one of this client's own:
 *
 * | code | meaning |
 * |---|---|
 * | `already_connected` | `connect` was called twice |
 * | `not_connected` | there is no connection to ask on |
 * | `connection_lost` | the connection went before the answer came; whether it was done is unknown |
 * | `connection_failed` | no connection, and no further attempt |
 * | `disconnected` | given up because of `disconnect()` |
 * | `unsubscribed` | given up because of `channel.unsubscribe()` |
 * | `queue_full` | too many messages wait for a connection |
 * | `timeout` | no answer in time |
 * | `unsupported` | calls need a browser |
 */
export class ParleyError extends Error {
  readonly code: string;
  /** The HTTP status; undefined for this client's own errors. */
  readonly status: number | undefined;
  /** The channel it is about. */
  readonly channel: string | undefined;
  /** Seconds after which the same may succeed. */
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ParleyError';
    this.code = code;
    this.status = details.status;
    this.channel = details.channel;
    this.retryAfter = details.retryAfter;
  }
}

/** One member of a JSON:API `errors` list. */
export interface Problem {
  status?: string;
  code?: string;
  title?: string;
  detail?: string;
}

/** An error as the server described it. */
export function fromProblem(problem: Problem | undefined, details: ErrorDetails = {}): ParleyError {
  const status = Number(problem?.status) || details.status;
  const message = problem?.detail ?? problem?.title ?? 'The server refused.';
  return new ParleyError(problem?.code ?? 'internal_error', message, { ...details, status });
}

/** Whatever was thrown, as an `Error`. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
