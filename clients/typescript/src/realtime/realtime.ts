import type { Listener } from '../emitter.ts';
import type { ParleyError } from '../errors.ts';
import type { ConnectionToken, RealtimeRest, SearchQuery, TokenRequest } from '../rest/realtime.ts';
import { Rooms } from '../webrtc/rooms.ts';
import { Authorizer } from './authorizer.ts';
import type { Channel } from './channel.ts';
import { Channels } from './channels.ts';
import { Connection, type ConnectionEvents } from './connection.ts';
import { Credentials } from './credentials.ts';
import type { ChannelFrame, RoomFrame } from './frames.ts';
import type { ConnectOptions } from './options.ts';
import type { Shape } from './shapes.ts';
import type { ConnectionState, Message, Welcome } from './types.ts';
import type { Wiring } from './wiring.ts';

/** What the realtime service is made of. */
export interface RealtimeSetup {
  socketUrl: string;
  apiKey: string;
  /** Connects where no other token is given. */
  userToken: string | (() => string | Promise<string>) | undefined;
  /** Asks with the connection token where there is one. */
  rest: (token: () => string | undefined) => RealtimeRest;
  /** Asks with the user token. */
  tokens: RealtimeRest;
}

/** Channels, presence, chat and calls over one connection. */
export class Realtime {
  /** Searching what was said. */
  readonly messages: { search(query: SearchQuery): Promise<Message[]> };
  /** Calls. */
  readonly webrtc: Rooms;
  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #tokens: RealtimeRest;
  readonly #userToken: RealtimeSetup['userToken'];
  readonly #wiring: Wiring;
  readonly #online = (): void => this.#connection.hurry();

  /** @internal */
  constructor(setup: RealtimeSetup) {
    this.#tokens = setup.tokens;
    this.#userToken = setup.userToken;
    this.#connection = new Connection(setup.socketUrl, setup.apiKey, {
      places: () => this.#channels.places(),
      welcomed: (frame) => {
        this.#channels.welcomed(frame);
        this.webrtc.welcomed(frame.resumed);
      },
      received: (frame) => {
        if (frame.type.startsWith('webrtc.')) this.webrtc.arrived(frame as RoomFrame);
        else if ('channel' in frame) this.#channels.arrived(frame as ChannelFrame);
      },
      failed: (channel: string, error: ParleyError) => {
        this.#channels.failed(channel, error);
        this.#connection.emit('error', error);
      },
      lost: (tooBig) => {
        this.#channels.lost(tooBig);
        this.webrtc.interrupted();
      },
      ended: (error) => {
        this.#channels.ended(error);
        this.webrtc.ended();
      },
    });
    const rest = setup.rest(() => this.#connection.token);
    this.#wiring = { connection: this.#connection, rest, authorizer: undefined };
    this.#channels = new Channels(this.#wiring);
    this.webrtc = new Rooms(this.#connection);
    this.messages = { search: (query) => rest.search(query) };
  }

  /** `connecting`, `connected`, `disconnecting` or `disconnected`. */
  getState(): ConnectionState {
    return this.#connection.state;
  }

  /** Whether the connection stands. */
  isConnected(): boolean {
    return this.#connection.state === 'connected';
  }

  /**
   * Connect, and stay connected.
   *
   * Resolves when the first connection stands; rejects when there will be none. An interruption is mended by
   * itself: channels continue where they were, and what was sent meanwhile goes out.
   */
  connect({
    token,
    refreshToken,
    authEndpoint,
    authHeaders,
    options = {},
  }: ConnectOptions = {}): Promise<Welcome> {
    this.#wiring.authorizer =
      authEndpoint === undefined ? undefined : new Authorizer(authEndpoint, authHeaders);
    watchNetwork('addEventListener', this.#online);
    const credentials =
      token === undefined && refreshToken === undefined
        ? credentialsOf(this.#userToken)
        : new Credentials(token, refreshToken);
    return quietly(this.#connection.open(credentials, options));
  }

  /** Say goodbye. Messages that wait are refused; channels stay subscribed to for the next `connect`. */
  disconnect(): Promise<void> {
    watchNetwork('removeEventListener', this.#online);
    return this.#connection.close();
  }

  /** Go on with a new token, without losing the connection; or connect again without waiting for the next attempt. */
  reconnect({ token }: { token?: string } = {}): Promise<void> {
    return quietly(this.#connection.renew(token));
  }

  /** Issue a connection token. */
  getToken(asked: TokenRequest): Promise<ConnectionToken> {
    return this.#tokens.token(asked);
  }

  /** Listen to a channel, now or as soon as there is a connection. Twice the same name is the same channel. */
  subscribe<S extends Shape = Record<never, never>>(name: string): Channel<S> {
    return this.#channels.subscribe<S>(name);
  }

  /** Listen to the connection; the returned function stops it. */
  on<K extends keyof ConnectionEvents>(event: K, listener: Listener<ConnectionEvents[K]>): () => void {
    return this.#connection.on(event, listener);
  }

  /** Listen to the next occurrence only; the returned function stops it. */
  once<K extends keyof ConnectionEvents>(event: K, listener: Listener<ConnectionEvents[K]>): () => void {
    return this.#connection.once(event, listener);
  }

  /** Stop a listener, or all of an event. */
  off<K extends keyof ConnectionEvents>(event: K, listener?: Listener<ConnectionEvents[K]>): void {
    this.#connection.off(event, listener);
  }
}

function credentialsOf(userToken: RealtimeSetup['userToken']): Credentials {
  return typeof userToken === 'function'
    ? new Credentials(undefined, userToken)
    : new Credentials(userToken, undefined);
}

/** A promise that nobody needs to wait for: what goes wrong is an `error` event as well. */
function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Browsers say when the network is back; elsewhere nobody does. */
function watchNetwork(how: 'addEventListener' | 'removeEventListener', listener: () => void): void {
  if (typeof globalThis[how] === 'function') globalThis[how]('online', listener);
}
