import type { ParleyError } from '../errors.ts';
import { Channel } from './channel.ts';
import type { ChannelFrame, WelcomeFrame } from './frames.ts';
import type { Shape } from './shapes.ts';
import type { Place } from './types.ts';
import type { Wiring } from './wiring.ts';

// A channel's shape is its user's business; here all are alike.
type AnyChannel = Channel<Record<never, never>>;

/** All channels that are listened to. */
export class Channels {
  readonly #wiring: Wiring;
  readonly #byName = new Map<string, AnyChannel>();

  constructor(wiring: Wiring) {
    this.#wiring = wiring;
  }

  /** The channel of a name, which is listened to from now on. */
  subscribe<S extends Shape>(name: string): Channel<S> {
    let channel = this.#byName.get(name);
    if (channel === undefined) {
      channel = new Channel(name, this.#wiring, (left) => this.#byName.delete(left.name));
      this.#byName.set(name, channel);
      if (this.#wiring.connection.state === 'connected') void channel.subscription.join();
    } else if (channel.state === 'failed') {
      channel.subscription.interrupted();
      if (this.#wiring.connection.state === 'connected') void channel.subscription.join();
    }
    return channel as unknown as Channel<S>;
  }

  /** Where each channel was left. */
  places(): Record<string, Place> {
    const known = [...this.#byName.values()].flatMap(({ name, subscription }) =>
      subscription.place === undefined ? [] : [[name, subscription.place] as const],
    );
    return Object.fromEntries(known);
  }

  /** A connection stands: subscribe to what the resume has not brought back. */
  welcomed(frame: WelcomeFrame): void {
    const restored = frame.resumed ? (frame.channels ?? {}) : {};
    for (const name of Object.keys(restored)) {
      // Nobody wants it any more since the connection was lost.
      if (!this.#byName.has(name)) this.#wiring.connection.tell({ type: 'unsubscribe', channel: name });
    }
    for (const channel of [...this.#byName.values()]) {
      const told = restored[channel.name];
      if (told !== undefined) channel.subscription.restored(told);
      else void channel.subscription.join();
    }
  }

  arrived(frame: ChannelFrame): void {
    this.#byName.get(frame.channel)?.arrived(frame);
  }

  /** An error that no question caused; false when the channel is not known. */
  failed(name: string, error: ParleyError): boolean {
    this.#byName.get(name)?.failed(error);
    return this.#byName.has(name);
  }

  lost(tooBig: boolean): void {
    for (const channel of this.#byName.values()) channel.interrupted(tooBig);
  }

  /** Nobody comes back; the channels stay wanted, and begin anew with the next connection. */
  ended(error: ParleyError): void {
    for (const channel of this.#byName.values()) {
      channel.end(error);
      channel.subscription.forget(error);
    }
  }
}
