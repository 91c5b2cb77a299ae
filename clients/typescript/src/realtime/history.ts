import type { HistoryQuery } from '../rest/realtime.ts';
import type { DataOf, Shape } from './shapes.ts';
import type { Subscription } from './subscription.ts';
import type { Message } from './types.ts';
import type { Wiring } from './wiring.ts';

/** What was said before. */
export class History<S extends Shape> {
  readonly #subscription: Subscription;
  readonly #wiring: Wiring;

  /** @internal */
  constructor(subscription: Subscription, wiring: Wiring) {
    this.#subscription = subscription;
    this.#wiring = wiring;
  }

  /** A page of messages, newest first. Pass the oldest one's id as `before` for the page before it. */
  async fetch(page: HistoryQuery = {}): Promise<Message<DataOf<S, 'message'>>[]> {
    const headers = await this.#subscription.access();
    const found = await this.#wiring.rest.history(this.#subscription.name, page, headers);
    return found as Message<DataOf<S, 'message'>>[];
  }
}
