import { fromProblem, ParleyError, type Problem } from '../errors.ts';

const TIMEOUT_MS = 30_000;

/** Who asks whom. */
export interface HttpOptions {
  /** Root of the server, without a slash at the end. */
  base: string;
  apiKey: string;
  appId: string | undefined;
  /** The token that says who acts; undefined when the key alone decides. */
  bearer: () => string | undefined | Promise<string | undefined>;
}

/** A request; `query` members that are undefined are left out. */
export interface HttpRequest {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
}

/** A JSON:API resource. */
export interface Resource<A> {
  id: string;
  type: string;
  attributes: A;
}

/** A JSON:API document. */
export interface Document<D> {
  data: D;
  meta?: Record<string, unknown>;
}

/** The REST companion of the socket. */
export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * Ask, and read the JSON that was answered; rejects with `ParleyError` for what the server refuses, with code
   * `timeout` after 30 s and with `connection_failed` when there is no answer.
   */
  async request<T>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    asked: HttpRequest = {},
  ): Promise<T> {
    const { base, apiKey, appId, bearer } = this.#options;
    const token = await bearer();
    const headers: Record<string, string> = { accept: 'application/json', 'x-api-key': apiKey };
    if (appId !== undefined) headers['x-app-id'] = appId;
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (asked.body !== undefined) headers['content-type'] = 'application/json';
    const init: RequestInit = { method, headers: { ...headers, ...asked.headers } };
    if (asked.body !== undefined) init.body = JSON.stringify(asked.body);
    return readJson<T>(await fetchInTime(base + path + queryOf(asked.query), init));
  }
}

/** `fetch` whose failures are `ParleyError`s. */
export async function fetchInTime(
  url: string,
  init: RequestInit,
  timeoutMs: number = TIMEOUT_MS,
): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
  } catch (cause) {
    const isLate = cause instanceof DOMException && cause.name === 'TimeoutError';
    throw isLate
      ? new ParleyError('timeout', `No answer within ${timeoutMs / 1000} s.`, { cause })
      : new ParleyError('connection_failed', 'The server cannot be reached.', { cause });
  }
}

async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text();
  let json: unknown;
  try {
    json = text === '' ? {} : JSON.parse(text);
  } catch {
    json = {};
  }
  if (response.ok) return json as T;
  const problem = (json as { errors?: Problem[] }).errors?.[0];
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  throw fromProblem(problem ?? { detail: `HTTP ${response.status}` }, {
    status: response.status,
    retryAfter,
  });
}

function queryOf(query: HttpRequest['query'] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
