import { Realtime } from './realtime/realtime.ts';
import { Http } from './rest/http.ts';
import { RealtimeRest } from './rest/realtime.ts';

/** Which server, and for whom. */
export interface ClientOptions {
  /** Root of the server, such as `https://parley.example`. */
  url: string;
  /** The publishable key of an environment (`pk_…`); on the customer's own server the secret one (`sk_…`). */
  apiKey: string;
  /** Checked by the server against the key. */
  appId?: string;
  /**
   * The user token that says who acts: over REST, where a function is asked before each request, and for a
   * connection that was given no token of its own.
   */
  userToken?: string | (() => string | Promise<string>);
}

/** A client of a Parley server. */
export interface Client {
  /** Channels, presence, chat and calls. */
  readonly realtime: Realtime;
}

/** Make a client; nothing is connected or asked yet. Throws a `TypeError` when the address is none. */
export function createClient({ url, apiKey, appId, userToken }: ClientOptions): Client {
  if (!/^https?:\/\//.test(url)) throw new TypeError('The url of a server begins with https:// or http://');
  const base = new URL(url).href.replace(/\/+$/, '');
  const user = () => (typeof userToken === 'function' ? userToken() : userToken);
  const restWith = (bearer: () => string | undefined | Promise<string | undefined>) =>
    new RealtimeRest(new Http({ base, apiKey, appId, bearer }));
  return {
    realtime: new Realtime({
      socketUrl: `${base.replace(/^http/, 'ws')}/v1/realtime/ws?v=1`,
      apiKey,
      userToken,
      tokens: restWith(user),
      rest: (token) => restWith(() => token() ?? user()),
    }),
  };
}
