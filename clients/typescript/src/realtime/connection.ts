import { type Deferred, deferred } from '../deferred.ts';
import { Bus } from '../emitter.ts';
import { asError, ParleyError } from '../errors.ts';
import { backoff } from './backoff.ts';
import { type Advice, adviceFor } from './closing.ts';
import { Credentials } from './credentials.ts';
import type { ChannelFrame, ErrorFrame, Incoming, Outgoing, RoomFrame, WelcomeFrame } from './frames.ts';
import { Link } from './link.ts';
import { type ConnectionOptions, DEFAULTS } from './options.ts';
import { type Asking, errorOf, Requests } from './requests.ts';
import type { ConnectionState, Place, Welcome } from './types.ts';

const WELCOME_MS = 10_000;
const GOODBYE_MS = 2_000;
/** A connection that stood this long starts its attempts anew. */
const STEADY_MS = 60_000;
const CLIENT = { name: 'parley-js', version: '0.1.0' };

/** How a connection ended. */
export interface Ending {
  /** The close code (RFC 6455); 1006 when the connection broke. */
  code: number;
  willReconnect: boolean;
}

/** What a connection tells. */
export type ConnectionEvents = {
  connected: [welcome: Welcome];
  disconnected: [reason: string, ending: Ending];
  reconnecting: [attempt: number, delayMs: number];
  error: [error: Error];
};

/** What lives on a connection and outlives its interruptions. */
export interface Passenger {
  /** Places to resume from. */
  places(): Record<string, Place>;
  /** A connection stands; called before anybody else hears of it, and before anything replayed arrives. */
  welcomed(welcome: WelcomeFrame): void;
  received(frame: ChannelFrame | RoomFrame): void;
  /** An error that no question caused. */
  failed(channel: string, error: ParleyError): void;
  /** The connection is interrupted. */
  lost(tooBig: boolean): void;
  /** Nobody comes back for the session. */
  ended(error: ParleyError): void;
}

/** One session over several sockets: connects, comes back, resumes. */
export class Connection extends Bus<ConnectionEvents> {
  readonly #url: string;
  readonly #apiKey: string;
  readonly #passenger: Passenger;
  readonly #requests = new Requests();
  #options = DEFAULTS;
  #credentials = new Credentials(undefined, undefined);
  #state: ConnectionState = 'disconnected';
  #link: Link | undefined;
  #session: { session_id: string; resume_token: string } | undefined;
  #welcome: Welcome | undefined;
  #standing: Deferred<Welcome> | undefined;
  #gone: Deferred<void> | undefined;
  #attempt = 0;
  #dial = 0; // numbers dialling, so that one that was overtaken notices
  #mustRenew = false;
  #comeBackAfter: number | undefined;
  #refusal: ParleyError | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #steady: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, apiKey: string, passenger: Passenger) {
    super();
    this.#url = url;
    this.#apiKey = apiKey;
    this.#passenger = passenger;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What the server said last; undefined before the first connection. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /** The token in use. */
  get token(): string | undefined {
    return this.#credentials.token;
  }

  /** Connect, and stay connected; resolves when the first connection stands. */
  open(credentials: Credentials, options: ConnectionOptions): Promise<Welcome> {
    if (this.#standing !== undefined || this.#state === 'connected') {
      const error = new ParleyError(
        'already_connected',
        'There is a connection; use reconnect for a new token.',
      );
      return Promise.reject(error);
    }
    // What is left of a session whose token ran out: this may be somebody else.
    if (this.#session !== undefined) this.#forget(new ParleyError('disconnected', 'connect() was called.'));
    this.#credentials = credentials;
    this.#options = { ...DEFAULTS, ...options };
    return this.#begin();
  }

  /** Go on with a new token: at once while connected, by a new connection otherwise. */
  async renew(token: string | undefined): Promise<void> {
    if (token !== undefined) this.#credentials.token = token;
    this.#mustRenew = false;
    if (this.#state !== 'connected') await this.#begin();
    else if (token !== undefined) await this.ask({ type: 'auth', token, api_key: this.#apiKey });
  }

  /** Say goodbye; the session is not kept. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#dial += 1;
    if (this.#gone !== undefined) return this.#gone.promise;
    const link = this.#link;
    if (link !== undefined && this.#state === 'connected') {
      this.#state = 'disconnecting';
      this.#gone = deferred();
      link.send({ type: 'disconnect' });
      const late = setTimeout(() => link.drop('the server does not say goodbye'), GOODBYE_MS);
      await this.#gone.promise;
      clearTimeout(late);
    } else if (this.#standing !== undefined || link !== undefined) {
      this.#link = undefined;
      link?.drop('disconnected');
      this.#stop(new ParleyError('disconnected', 'disconnect() was called.'), 1000, false);
    } else this.#forget(new ParleyError('disconnected', 'disconnect() was called.'));
  }

  /** Ask, and wait for the answer. */
  ask<T>(frame: Outgoing, how: Asking<T> = {}): Promise<T> {
    const channel = typeof frame.channel === 'string' ? frame.channel : undefined;
    if (this.#state !== 'connected' || this.#link === undefined) {
      return Promise.reject(new ParleyError('not_connected', 'There is no connection.', { channel }));
    }
    const { id, answer } = this.#requests.begin<T>(channel, how);
    this.#link.send({ ...frame, id });
    return answer;
  }

  /** Say something that needs no answer; without a connection it is not said. */
  tell(frame: Outgoing): void {
    if (this.#state === 'connected') this.#link?.send(frame);
  }

  /** Do not wait for the next attempt: the network is back. */
  hurry(): void {
    if (this.#timer !== undefined && this.#state === 'disconnected') this.#connect();
  }

  #begin(): Promise<Welcome> {
    this.#standing ??= deferred();
    this.#attempt = 0;
    this.#connect();
    return this.#standing.promise;
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#state = 'connecting';
    this.#refusal = undefined;
    this.#comeBackAfter = undefined;
    this.#dial += 1;
    const dial = this.#dial;
    const token = this.#mustRenew ? this.#credentials.renewed() : this.#credentials.current();
    token.then(
      (fresh) => {
        if (dial === this.#dial) this.#openLink(fresh);
      },
      (error: unknown) => {
        if (dial !== this.#dial) return;
        if (this.#credentials.canRefresh) this.emit('error', asError(error));
        else if (error instanceof ParleyError) this.#refusal = error;
        this.#after(4401, 'there is no token', { ...adviceFor(4401), atOnce: false });
      },
    );
  }

  #openLink(token: string): void {
    this.#mustRenew = false;
    const before = this.#link;
    const link = new Link(this.#url, this.#options.heartbeatInterval, {
      opened: () => {
        const resume = this.#session && { ...this.#session, channels: this.#passenger.places() };
        link.send({ type: 'connect', token, api_key: this.#apiKey, resume, client: CLIENT });
      },
      received: (frame) => {
        if (link === this.#link) this.#received(frame);
      },
      closed: (code, reason) => {
        if (link === this.#link) this.#closed(code, reason);
      },
    });
    this.#link = link;
    before?.drop('another one took its place');
    this.#timer = setTimeout(() => link.drop('no welcome'), WELCOME_MS);
  }

  #received(frame: Incoming): void {
    switch (frame.type) {
      case 'welcome':
        this.#welcomed(frame as WelcomeFrame);
        return;
      case 'ack':
      case 'error':
        if (!this.#requests.settle(frame as ErrorFrame)) this.#reported(frame as ErrorFrame);
        return;
      case 'pong':
        return;
      case 'token_expiring':
        this.#expiring();
        return;
      case 'reconnect':
        this.#comeBackAfter = (frame as { after_ms: number }).after_ms;
        return;
      default:
        this.#passenger.received(frame as ChannelFrame | RoomFrame);
    }
  }

  #welcomed(frame: WelcomeFrame): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { type: _, resume_token, channels: __, ...welcome } = frame;
    this.#session = { session_id: frame.session_id, resume_token };
    this.#welcome = welcome;
    this.#state = 'connected';
    this.#steady = setTimeout(() => {
      this.#attempt = 0;
    }, STEADY_MS);
    this.#passenger.welcomed(frame);
    const standing = this.#standing;
    this.#standing = undefined;
    standing?.resolve(welcome);
    this.emit('connected', welcome);
  }

  #reported(frame: ErrorFrame): void {
    if (frame.type !== 'error') return;
    const error = errorOf(frame);
    if (frame.fatal) this.#refusal = error;
    else if (frame.channel !== undefined) this.#passenger.failed(frame.channel, error);
    else this.emit('error', error);
  }

  #expiring(): void {
    if (!this.#credentials.canRefresh) return;
    this.#credentials
      .renewed()
      .then((token) => this.ask({ type: 'auth', token, api_key: this.#apiKey }))
      .catch((error: unknown) => {
        // The next connection takes the new token.
        if (!(error instanceof ParleyError && error.code === 'connection_lost'))
          this.emit('error', asError(error));
      });
  }

  #closed(code: number, reason: string): void {
    this.#link = undefined;
    clearTimeout(this.#timer);
    clearTimeout(this.#steady);
    this.#timer = undefined;
    const advice = adviceFor(code);
    this.#requests.fail();
    this.#passenger.lost(advice.tooBig === true);
    if (this.#state === 'disconnecting') {
      this.#stop(new ParleyError('disconnected', 'disconnect() was called.'), 1000, true);
    } else this.#after(code, reason, advice);
  }

  /** Decide what follows a connection, or an attempt, that ended. */
  #after(code: number, reason: string, advice: Advice): void {
    const { autoReconnect, maxReconnectAttempts, reconnectDelay } = this.#options;
    const wasConnected = this.#state === 'connected';
    const why = this.#refusal?.message ?? (reason || advice.meaning);
    const isStuck = advice.newToken === true && !this.#credentials.canRefresh;
    if (!advice.again || !autoReconnect || isStuck || this.#attempt >= maxReconnectAttempts) {
      const error =
        this.#refusal ??
        new ParleyError(isStuck ? 'invalid_token' : 'connection_failed', `There is no connection: ${why}.`);
      this.#stop(error, code, wasConnected, isStuck);
      return;
    }
    this.#state = 'disconnected';
    this.#mustRenew = advice.newToken === true;
    this.#attempt += 1;
    const isFirst = this.#attempt === 1;
    const usual = isFirst && advice.atOnce ? 0 : backoff(this.#attempt, reconnectDelay);
    const delay = Math.max(isFirst ? (this.#comeBackAfter ?? usual) : usual, advice.atLeast ?? 0);
    this.#standing ??= deferred();
    this.#timer = setTimeout(() => this.#connect(), delay);
    if (wasConnected) this.emit('disconnected', why, { code, willReconnect: true });
    // A listener may have called disconnect().
    if (this.#timer !== undefined) this.emit('reconnecting', this.#attempt, delay);
  }

  /** No further attempt. With `isWaiting` the session stays what it is until somebody brings a new token. */
  #stop(error: ParleyError, code: number, wasConnected: boolean, isWaiting: boolean = false): void {
    const standing = this.#standing;
    const gone = this.#gone;
    this.#standing = this.#gone = this.#link = undefined;
    this.#state = 'disconnected';
    if (!isWaiting) this.#forget(error);
    standing?.reject(error);
    if (error.code !== 'disconnected') this.emit('error', error);
    if (wasConnected || standing !== undefined) {
      this.emit('disconnected', error.message, { code, willReconnect: false });
    }
    gone?.resolve();
  }

  #forget(error: ParleyError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#session = undefined;
    this.#passenger.ended(error);
  }
}
