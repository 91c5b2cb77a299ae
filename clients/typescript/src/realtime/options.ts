/** How a connection is kept. */
export interface ConnectionOptions {
  /** Connect again after an interruption; by default true. */
  autoReconnect?: boolean;
  /** Milliseconds before the first attempt, doubled each time up to 30 s, ±25 %; by default 1 000. */
  reconnectDelay?: number;
  /** Give up after this many attempts in a row; by default 10. */
  maxReconnectAttempts?: number;
  /** Milliseconds of silence before the server is asked whether it is there; by default 30 000. */
  heartbeatInterval?: number;
}

/** What `realtime.connect` takes. */
export interface ConnectOptions {
  /**
   * A connection token, or a user token (which opens the default channels). Without this and `refreshToken` it is the
   * client's user token.
   */
  token?: string;
  /**
   * Gives a new token: asked when `token` is absent, when the server says that the token expires, and before
   * connecting again with one that has expired.
   */
  refreshToken?: () => string | Promise<string>;
  /** Where to ask for the authorization of `private:` and `presence:` channels. */
  authEndpoint?: string;
  /** Sent there. */
  authHeaders?: Record<string, string>;
  options?: ConnectionOptions;
}

export const DEFAULTS: Required<ConnectionOptions> = {
  autoReconnect: true,
  reconnectDelay: 1_000,
  maxReconnectAttempts: 10,
  heartbeatInterval: 30_000,
};
