import { type Deferred, deferred } from '../deferred.ts';
import { asError, ParleyError } from '../errors.ts';
import { type Signature, signatureHeader } from './authorizer.ts';
import type { PublicationFrame, Restored, Subscribed } from './frames.ts';
import { type Outcome, Sequence } from './sequence.ts';
import type { Place, Reload } from './types.ts';
import type { Wiring } from './wiring.ts';

/** Where a subscription stands. */
export type SubscriptionState = 'subscribing' | 'subscribed' | 'failed' | 'unsubscribed';

/** What a subscription tells its channel. */
export interface Subscriber {
  /** It stands; `isFresh` when the server does not know of this connection's membership any more. */
  subscribed(isFresh: boolean): void;
  publication(frame: PublicationFrame): void;
  reload(reload: Reload): void;
  /** It does not stand, and will not by itself. */
  refused(error: ParleyError): void;
}

/** Listening to one channel over all interruptions: authorization, places, gaps. */
export class Subscription {
  readonly name: string;
  readonly #wiring: Wiring;
  readonly #subscriber: Subscriber;
  readonly #sequence = new Sequence<PublicationFrame>();
  #state: SubscriptionState = 'subscribing';
  #ready: Deferred<void> = deferred();
  #joining = 0; // numbers attempts, so that one that was overtaken notices
  #isRefilling = false;
  #signed: { socketId: string; signature: Signature } | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, wiring: Wiring, subscriber: Subscriber) {
    this.name = name;
    this.#wiring = wiring;
    this.#subscriber = subscriber;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get place(): Place | undefined {
    return this.#sequence.place;
  }

  /** Resolves when the subscription stands; rejects when it was refused. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Subscribe on the present connection, going on where the channel was left. */
  async join(): Promise<void> {
    this.interrupted();
    const joining = this.#joining;
    try {
      const signature = await this.#sign();
      if (joining !== this.#joining) return;
      const since = this.#sequence.place;
      await this.#ask(signature, since, (joined) => {
        if (joining !== this.#joining) return;
        this.#stand(joined, since !== undefined && joined.recovered === false);
        this.#subscriber.subscribed(true);
      });
    } catch (error) {
      if (joining === this.#joining) this.#failed(error);
    }
  }

  /** A resume has, or has not, brought the subscription back. */
  restored(told: Restored): void {
    this.interrupted();
    if (told.epoch === undefined || told.offset === undefined) {
      const why = 'The token in use does not open this channel any more.';
      this.refuse(new ParleyError('unauthorized_channel', why, { status: 401, channel: this.name }));
      return;
    }
    const hadPlace = this.#sequence.place !== undefined;
    this.#stand({ ...(told as Restored & Place) }, hadPlace && !told.recovered, told.reason);
    this.#subscriber.subscribed(false);
  }

  /** The connection is gone, or another attempt begins. */
  interrupted(): void {
    this.#joining += 1;
    this.#isRefilling = false;
    clearTimeout(this.#retry);
    if (this.#state !== 'subscribing') this.#ready = deferred();
    this.#state = 'subscribing';
  }

  /** It was refused, or the server ended it. */
  refuse(error: ParleyError): void {
    this.#end('failed', error);
    this.#subscriber.refused(error);
  }

  /** Nobody wants it any more. */
  leave(error: ParleyError): void {
    this.#end('unsubscribed', error);
  }

  /** The session is gone: whoever waits is refused, and the next connection starts without a place. */
  forget(error: ParleyError): void {
    this.interrupted();
    this.#ready.reject(error);
    this.#ready = deferred();
    this.#sequence.reset(undefined);
  }

  /** A publication has arrived. */
  arrived(frame: PublicationFrame): void {
    this.#deliver(this.#sequence.offer(frame));
  }

  /** Something is being published whose echo will not come. */
  async withoutEcho<T extends Place>(publishing: Promise<T>): Promise<T> {
    this.#sequence.publishing();
    try {
      const at = await publishing;
      this.#deliver(this.#sequence.published(at));
      return at;
    } catch (error) {
      this.#deliver(this.#sequence.published(undefined));
      throw error;
    }
  }

  /** Headers that let a request read the channel, when it was opened by a signature: those name a socket. */
  async access(): Promise<Record<string, string>> {
    if (this.#signed === undefined) return {};
    if (this.#signed.socketId !== this.#wiring.connection.welcome?.socket_id) await this.#sign();
    return signatureHeader(this.#signed.socketId, this.#signed.signature);
  }

  async #sign(): Promise<Signature | undefined> {
    const { authorizer, connection } = this.#wiring;
    const welcome = connection.welcome;
    if (!authorizer?.covers(this.name) || welcome === undefined) return undefined;
    const signature = await authorizer.sign(this.name, welcome.socket_id, welcome.user_id);
    this.#signed = { socketId: welcome.socket_id, signature };
    return signature;
  }

  #ask(
    signature: Signature | undefined,
    since: Place | undefined,
    taken: (joined: Subscribed) => void,
  ): Promise<Subscribed> {
    const frame = { type: 'subscribe', channel: this.name, ...signature, since };
    return this.#wiring.connection.ask<Subscribed>(frame, { taken });
  }

  #stand(at: Place, isLost: boolean, reason: string = 'expired'): void {
    const place = this.#sequence.place;
    if (place === undefined || isLost) this.#sequence.reset(at);
    this.#state = 'subscribed';
    this.#ready.resolve();
    if (isLost) {
      this.#subscriber.reload({ reason: place?.epoch === at.epoch ? reason : 'epoch_changed' });
    }
  }

  #deliver({ ready, gap }: Outcome<PublicationFrame>): void {
    for (const frame of ready) this.#subscriber.publication(frame);
    if (gap && this.#state === 'subscribed' && !this.#isRefilling) void this.#refill();
  }

  /** Something is missing: ask for it. Until the answer, what is behind the gap waits. */
  async #refill(): Promise<void> {
    this.#isRefilling = true;
    const joining = this.#joining;
    try {
      await this.#ask(undefined, this.#sequence.place, (joined) => {
        if (joining !== this.#joining) return;
        this.#isRefilling = false;
        if (joined.recovered === false) this.#stand(joined, true);
      });
    } catch (error) {
      if (joining === this.#joining) this.#failed(error);
    }
  }

  #failed(thrown: unknown): void {
    const error = asError(thrown);
    const isKnown = error instanceof ParleyError;
    if (isKnown && (error.code === 'connection_lost' || error.code === 'not_connected')) return; // comes back
    if (isKnown && (error.retryAfter !== undefined || error.code === 'timeout')) {
      this.#retry = setTimeout(() => void this.join(), (error.retryAfter ?? 1) * 1_000);
      return;
    }
    this.refuse(isKnown ? error : new ParleyError('internal_error', error.message, { cause: error }));
  }

  #end(state: 'failed' | 'unsubscribed', error: ParleyError): void {
    this.interrupted();
    this.#state = state;
    this.#ready.reject(error);
  }
}
