import type { Subscription } from './subscription.ts';
import type { Wiring } from './wiring.ts';

/** At most one `start` is sent within this time, and `stop` follows after as much silence, in milliseconds. */
export const TYPING_MS = 2_000;

/** Telling others that the user is writing: call `start` at each key press. */
export class Typing {
  readonly #subscription: Subscription;
  readonly #wiring: Wiring;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;

  /** @internal */
  constructor(subscription: Subscription, wiring: Wiring) {
    this.#subscription = subscription;
    this.#wiring = wiring;
  }

  /**
   * The user has pressed a key. Others are told at most every 2 s; two seconds after the last call the user has
   * stopped.
   *
   * @param user what others see: `user_name`, by default the name the token says, and anything else
   */
  start(user: { user_name?: string; [more: string]: unknown } = {}): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.stop(), TYPING_MS);
    const now = performance.now();
    if (now - this.#startedAt < TYPING_MS) return;
    this.#startedAt = now;
    const { user_name, user_id: _, ...data } = user;
    const more = Object.keys(data).length > 0 ? { data } : {};
    this.#tell('typing.start', { user_name, ...more });
  }

  /** The user has stopped. */
  stop(): void {
    if (this.#silence === undefined) return;
    this.said();
    this.#tell('typing.stop');
  }

  /** @internal The server knows already that the user has stopped. */
  said(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#startedAt = Number.NEGATIVE_INFINITY;
  }

  /** Who cannot be told now need not be told later. */
  #tell(type: string, more: Record<string, unknown> = {}): void {
    const { name, state } = this.#subscription;
    if (state === 'subscribed') this.#wiring.connection.tell({ type, channel: name, ...more });
  }
}
