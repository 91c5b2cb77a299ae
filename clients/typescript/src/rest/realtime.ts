import type { Message } from '../realtime/types.ts';
import type { Document, Http, Resource } from './http.ts';

/** What a connection token should open. */
export interface TokenRequest {
  /** Whom it is for; a publishable key issues only for the user of its user token. */
  user_id: string;
  /** Names or patterns (`chat:*`), or a pattern with the operations it grants; by default the app's own. */
  channels?: (string | { pattern: string; ops: ('subscribe' | 'publish' | 'presence' | 'history')[] })[];
  /** Seconds it holds: 60 to 86 400, by default 3 600. */
  ttl?: number;
  /** What others see of the user. */
  user_info?: Record<string, unknown>;
}

/** A connection token; opaque to clients. */
export interface ConnectionToken {
  token: string;
  user_id: string;
  channels: TokenRequest['channels'];
  expires_at: string;
  /** Where to connect with it. */
  url: string;
}

/** A page of a channel's messages; ids are exclusive bounds. */
export interface HistoryQuery {
  /** 1 to 100, by default 50. */
  limit?: number;
  /** Only messages older than this one. */
  before?: string;
  /** Only messages newer than this one. */
  after?: string;
}

/** Words to look for. */
export interface SearchQuery {
  query: string;
  /** By default all channels that the caller may read. */
  channel_id?: string;
  /** 1 to 100, by default 20. */
  limit?: number;
  /** Only messages older than this one. */
  before?: string;
}

/** Who has read a message, and whom it has reached. */
export interface ReadStatus {
  /** In order of reading. */
  read_by: string[];
  read_count: number;
  receipts: { user_id: string; read_at: string }[];
  delivered_to: string[];
  delivered_count: number;
}

type Stored = Resource<Omit<Message, 'id'>>;

/** The REST calls beside the socket. */
export class RealtimeRest {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Issue a connection token. */
  async token(asked: TokenRequest): Promise<ConnectionToken> {
    const body = { data: { type: 'connection_tokens', attributes: asked } };
    const made = await this.#http.request<Document<Resource<ConnectionToken>>>(
      'POST',
      '/v1/realtime/tokens',
      { body },
    );
    return made.data.attributes;
  }

  /** Messages of a channel, newest first. */
  async history(channel: string, page: HistoryQuery, headers: Record<string, string>): Promise<Message[]> {
    const query = { limit: page.limit, before: page.before, after: page.after };
    const path = `/v1/realtime/channels/${encodeURIComponent(channel)}/messages`;
    return messages(await this.#http.request<Document<Stored[]>>('GET', path, { query, headers }));
  }

  /** Messages with all of some words, newest first. */
  async search(asked: SearchQuery): Promise<Message[]> {
    const { query, channel_id, limit, before } = asked;
    const path = '/v1/realtime/messages/search';
    return messages(
      await this.#http.request<Document<Stored[]>>('GET', path, {
        query: { query, channel_id, limit, before },
      }),
    );
  }

  /** Who has read a message. */
  async readStatus(channel: string, messageId: string, headers: Record<string, string>): Promise<ReadStatus> {
    const path = `/v1/realtime/channels/${encodeURIComponent(channel)}/messages/${encodeURIComponent(messageId)}/read`;
    return (await this.#http.request<Document<Resource<ReadStatus>>>('GET', path, { headers })).data
      .attributes;
  }
}

function messages(page: Document<Stored[]>): Message[] {
  return page.data.map(({ id, attributes }) => ({ ...attributes, id }));
}
