import { ParleyError } from '../errors.ts';
import { fetchInTime } from '../rest/http.ts';

const TIMEOUT_MS = 10_000;

/** The application's leave to enter a channel: valid on one socket. */
export interface Signature {
  auth: string;
  channel_data?: unknown;
}

/** Asks the application's own server whether its user may enter a channel. */
export class Authorizer {
  readonly #endpoint: string;
  readonly #headers: Record<string, string>;

  constructor(endpoint: string, headers: Record<string, string> = {}) {
    this.#endpoint = endpoint;
    this.#headers = headers;
  }

  /** Whether a channel needs leave. */
  covers(channel: string): boolean {
    return channel.startsWith('private:') || channel.startsWith('presence:');
  }

  /** Ask; rejects with `unauthorized_channel` for everything but a clear yes. */
  async sign(channel: string, socketId: string, userId: string): Promise<Signature> {
    const headers = { accept: 'application/json', 'content-type': 'application/json', ...this.#headers };
    const body = JSON.stringify({ socket_id: socketId, channel_name: channel, user_id: userId });
    const refused = (why: string, cause?: unknown) =>
      new ParleyError('unauthorized_channel', why, { status: 401, channel, cause });
    let answer: Partial<Signature>;
    try {
      const response = await fetchInTime(this.#endpoint, { method: 'POST', headers, body }, TIMEOUT_MS);
      if (!response.ok) throw refused(`The application answered ${response.status}.`);
      answer = (await response.json()) as Partial<Signature>;
    } catch (cause) {
      throw cause instanceof ParleyError && cause.code === 'unauthorized_channel'
        ? cause
        : refused('The application could not be asked.', cause);
    }
    if (typeof answer.auth !== 'string') throw refused('The application answered without `auth`.');
    const { auth, channel_data } = answer;
    return channel_data === undefined ? { auth } : { auth, channel_data };
  }
}

/** A signature as a request shows it. */
export function signatureHeader(socketId: string, { auth, channel_data }: Signature): Record<string, string> {
  const signed = typeof channel_data === 'string' ? channel_data : canonical(channel_data);
  const text = [socketId, auth, signed].filter((part) => part !== undefined).join(' ');
  // Headers hold bytes: one character for each of the UTF-8 form.
  return { 'x-channel-auth': String.fromCharCode(...new TextEncoder().encode(text)) };
}

/** The form of JSON that is signed: members sorted by name, no white space (RFC 8785). */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
