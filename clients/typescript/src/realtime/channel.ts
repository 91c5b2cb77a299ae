import { Bus, type Listener } from '../emitter.ts';
import { ParleyError } from '../errors.ts';
import { randomId } from '../ids.ts';
import type { ChannelFrame, PublicationFrame } from './frames.ts';
import { History } from './history.ts';
import { type Letter, Outbox } from './outbox.ts';
import { Presence } from './presence.ts';
import { Receipts } from './receipts.ts';
import {
  type ChannelEvents,
  type CustomEvent,
  type CustomListener,
  type DataOf,
  OWN_EVENTS,
  type Shape,
} from './shapes.ts';
import { Subscription, type SubscriptionState } from './subscription.ts';
import type { Message, Origin, Place, Sent } from './types.ts';
import { Typing } from './typing.ts';
import type { Wiring } from './wiring.ts';

/** How a message is sent. */
export interface SendOptions {
  /** Makes a repetition harmless for 24 hours; by default a new id. */
  client_id?: string;
  /** Whether this client receives the message like everybody else; by default true. */
  echo?: boolean;
}

/** What `channel.send` takes: an event and its data, or the data's members beside the event. */
export type Content = { type?: string; data?: unknown; [member: string]: unknown };

/** A channel that this client listens to; `realtime.subscribe` makes it. */
export class Channel<S extends Shape = Record<never, never>> {
  /** Its name. */
  readonly name: string;
  /** Who is here. */
  readonly presence: Presence<S>;
  /** Who is writing. */
  readonly typing: Typing;
  /** Who has read what. */
  readonly messages: Receipts;
  /** What was said before. */
  readonly history: History<S>;
  readonly #wiring: Wiring;
  readonly #subscription: Subscription;
  readonly #outbox: Outbox;
  readonly #events: Bus<ChannelEvents<S>> = new Bus();
  readonly #custom: Bus<Record<string, [unknown, Origin]>> = new Bus();
  readonly #left: (channel: Channel<S>) => void;

  /** @internal */
  constructor(name: string, wiring: Wiring, left: (channel: Channel<S>) => void) {
    this.name = name;
    this.#wiring = wiring;
    this.#left = left;
    this.#subscription = new Subscription(name, wiring, {
      subscribed: (isFresh) => {
        this.presence.restored(isFresh);
        this.#outbox.open();
      },
      publication: (frame) => this.#told(frame),
      reload: (reload) => {
        this.messages.forget();
        this.#events.emit('reload', reload);
      },
      refused: (error) => {
        this.#outbox.close();
        this.#outbox.refuse(error);
        this.#events.emit('error', error);
        wiring.connection.emit('error', error);
      },
    });
    this.#outbox = new Outbox((letter) => this.#publish(letter));
    this.presence = new Presence(this.#subscription, wiring, this.#events);
    this.typing = new Typing(this.#subscription, wiring);
    this.messages = new Receipts(this.#subscription, wiring);
    this.history = new History(this.#subscription, wiring);
  }

  /** Whether the channel is being listened to. */
  get state(): SubscriptionState {
    return this.#subscription.state;
  }

  /** Messages that wait for a connection or for their acknowledgement. */
  get pending(): number {
    return this.#outbox.size;
  }

  /** Resolves when the channel is being listened to; rejects when that was refused. */
  async ready(): Promise<this> {
    await this.#subscription.ready;
    return this;
  }

  /** Listen to an event; the returned function stops it. */
  on<K extends keyof ChannelEvents<S>>(event: K, listener: Listener<ChannelEvents<S>[K]>): () => void;
  on<K extends CustomEvent<S>>(event: K, listener: CustomListener<DataOf<S, K>>): () => void;
  on(event: string, listener: (...args: never[]) => void): () => void {
    const stops = [
      this.#events.on(event as 'message', listener as Listener<ChannelEvents<S>['message']>),
      this.#custom.on(event, listener as Listener<[unknown, Origin]>),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Stop a listener, or all of an event. */
  off<K extends keyof ChannelEvents<S>>(event: K, listener?: Listener<ChannelEvents<S>[K]>): void;
  off<K extends CustomEvent<S>>(event: K, listener?: CustomListener<DataOf<S, K>>): void;
  off(event: string, listener?: (...args: never[]) => void): void {
    this.#events.off(event as 'message', listener as Listener<ChannelEvents<S>['message']> | undefined);
    this.#custom.off(event, listener as Listener<[unknown, Origin]> | undefined);
  }

  /**
   * Send a message, which the channel's history keeps. Without a connection it waits for one.
   *
   * `{type, data}` sends `data` under the event `type`; without `data`, all members but `type` are the data.
   */
  async send(content: Content, { client_id = randomId(), echo = true }: SendOptions = {}): Promise<Sent> {
    const { type = 'message', data, ...members } = content;
    this.#check(type);
    this.typing.said();
    return this.#outbox.add({ event: type, data: data === undefined ? members : data, client_id, echo });
  }

  /** Tell the others who are here now something; no history keeps it, and without a connection it is refused. */
  async trigger<K extends CustomEvent<S>>(
    event: K,
    data: DataOf<S, K>,
    { echo = false }: { echo?: boolean } = {},
  ): Promise<Place> {
    this.#check(event);
    if (this.#wiring.connection.state === 'disconnected') {
      throw new ParleyError('not_connected', 'There is no connection.', { channel: this.name });
    }
    await this.#subscription.ready;
    const frame = { type: 'trigger', channel: this.name, event, data, echo };
    const answer = this.#wiring.connection.ask<Place>(frame);
    return echo ? answer : this.#subscription.withoutEcho(answer);
  }

  /** Stop listening. Messages that wait are refused with `unsubscribed`. */
  async unsubscribe(): Promise<void> {
    if (this.state === 'unsubscribed') return;
    this.#left(this);
    const error = new ParleyError('unsubscribed', 'The channel is no longer listened to.', {
      channel: this.name,
    });
    this.end(error);
    this.#subscription.leave(error);
    if (this.#wiring.connection.state !== 'connected') return;
    await this.#wiring.connection
      .ask({ type: 'unsubscribe', channel: this.name })
      .catch((lost: ParleyError) => {
        if (lost.code !== 'connection_lost') throw lost;
      });
  }

  // --- for the client: what the connection says -----------------------------------------------

  /** @internal */
  get subscription(): Subscription {
    return this.#subscription;
  }

  /** @internal The connection is interrupted. */
  interrupted(tooBig: boolean): void {
    if (tooBig) {
      const error = new ParleyError('payload_too_large', 'A frame was too big.', {
        channel: this.name,
        status: 413,
      });
      this.#outbox.refuse(error, true);
    }
    this.#outbox.close();
    this.typing.said();
    if (this.state !== 'failed') this.#subscription.interrupted();
  }

  /** @internal Nobody comes back: what waits is refused. */
  end(error: ParleyError): void {
    this.#outbox.close();
    this.#outbox.refuse(error);
    this.presence.forget();
    this.typing.said();
    this.messages.forget();
  }

  /** @internal An error that no question caused. */
  failed(error: ParleyError): void {
    this.#events.emit('error', error);
  }

  /** @internal */
  arrived(frame: ChannelFrame): void {
    switch (frame.type) {
      case 'message':
      case 'event':
        this.#subscription.arrived(frame);
        return;
      case 'presence':
        this.presence.arrived(frame);
        return;
      case 'typing':
        this.#events.emit(`typing:${frame.action}`, frame.user);
        return;
      case 'message:read': {
        const { type: _, channel, ...receipt } = frame;
        this.#events.emit('message:read', { ...receipt, channel_id: channel });
        return;
      }
      case 'unsubscribed':
        this.#subscription.refuse(new ParleyError(frame.code, frame.detail, { channel: this.name }));
    }
  }

  // --------------------------------------------------------------------------------------------

  #told(frame: PublicationFrame): void {
    this.messages.arrived();
    const { type, channel, epoch: _, replayed: __, ...rest } = frame;
    if (rest.event === 'message') {
      this.#events.emit('message', { ...rest, channel_id: channel } as Message<DataOf<S, 'message'>>);
      return;
    }
    const { data, event, ...origin } = rest;
    if (!OWN_EVENTS.has(event)) this.#custom.emit(event, data, { ...origin, channel_id: channel });
  }

  #publish(letter: Letter): Promise<Sent> {
    const { connection } = this.#wiring;
    const frame = { type: 'publish', channel: this.name, ...letter };
    const most = connection.welcome?.limits.max_frame_bytes ?? Number.POSITIVE_INFINITY;
    const size = new TextEncoder().encode(JSON.stringify(frame)).length + 32; // and the frame's id
    if (size > most) {
      const why = `A frame holds ${most} bytes.`;
      return Promise.reject(new ParleyError('payload_too_large', why, { status: 413, channel: this.name }));
    }
    const answer = connection.ask<Sent>(frame, { isPatient: true });
    return letter.echo ? answer : this.#subscription.withoutEcho(answer);
  }

  #check(event: string): void {
    if (OWN_EVENTS.has(event)) {
      throw new ParleyError('invalid_event', `Nothing can be called ${event}.`, { channel: this.name });
    }
    if (this.state === 'unsubscribed') {
      throw new ParleyError('unsubscribed', 'The channel is no longer listened to.', { channel: this.name });
    }
  }
}
