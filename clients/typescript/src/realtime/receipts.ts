import type { ReadStatus } from '../rest/realtime.ts';
import type { Subscription } from './subscription.ts';
import type { Receipt } from './types.ts';
import type { Wiring } from './wiring.ts';

/** At most one report per channel within this time, in milliseconds. */
const REPORT_EVERY_MS = 1_000;

/** Who has read what. */
export class Receipts {
  readonly #subscription: Subscription;
  readonly #wiring: Wiring;
  #report: ReturnType<typeof setTimeout> | undefined;
  #reported = -1;

  /** @internal */
  constructor(subscription: Subscription, wiring: Wiring) {
    this.#subscription = subscription;
    this.#wiring = wiring;
  }

  /**
   * The user has read a message; everybody is told once.
   *
   * @param upTo every earlier message of the channel is meant as well
   */
  async markAsRead(messageId: string, { upTo = false }: { upTo?: boolean } = {}): Promise<Receipt> {
    await this.#subscription.ready;
    const channel = this.#subscription.name;
    const frame = { type: 'read', channel, message_id: messageId, up_to: upTo };
    const read = await this.#wiring.connection.ask<Omit<Receipt, 'channel_id'>>(frame);
    return { ...read, channel_id: channel };
  }

  /** Who has read a message, and whom it has reached. */
  async getReadStatus(messageId: string): Promise<ReadStatus> {
    const headers = await this.#subscription.access();
    return this.#wiring.rest.readStatus(this.#subscription.name, messageId, headers);
  }

  /** @internal Something has arrived, which the server is told in a moment. */
  arrived(): void {
    this.#report ??= setTimeout(() => {
      this.#report = undefined;
      const offset = this.#subscription.place?.offset ?? -1;
      if (this.#subscription.state !== 'subscribed' || offset <= this.#reported) return;
      this.#reported = offset;
      this.#wiring.connection.tell({ type: 'delivered', channel: this.#subscription.name, offset });
    }, REPORT_EVERY_MS);
  }

  /** @internal The stream begins anew, or nobody listens any more. */
  forget(): void {
    clearTimeout(this.#report);
    this.#report = undefined;
    this.#reported = -1;
  }
}
