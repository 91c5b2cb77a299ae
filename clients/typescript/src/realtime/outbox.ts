import { type Deferred, deferred } from '../deferred.ts';
import { ParleyError } from '../errors.ts';
import type { Sent } from './types.ts';

/** Messages of a channel that wait; more are refused. */
const QUEUE_LIMIT = 1_000;
/** Messages of a channel on their way at the same time. */
const WINDOW = 64;

/** A message to be published. */
export interface Letter {
  event: string;
  data: unknown;
  client_id: string;
  echo: boolean;
}

interface Item {
  letter: Letter;
  outcome: Deferred<Sent>;
  /** It waited for a connection, or its answer got lost. */
  isBacklog: boolean;
  isOnItsWay: boolean;
}

/**
 * The messages of one channel on their way to the server, in order.
 *
 * Without a connection they wait. What was not acknowledged when the connection went is sent again with the same
 * `client_id`, which the server stores once. What has waited goes out one by one, slowed down to the server's limit
 * of messages per second; what is sent on a standing connection is refused over that limit.
 */
export class Outbox {
  readonly #publish: (letter: Letter) => Promise<Sent>;
  readonly #items: Item[] = [];
  #isOpen = false;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(publish: (letter: Letter) => Promise<Sent>) {
    this.#publish = publish;
  }

  /** Messages that have not been acknowledged. */
  get size(): number {
    return this.#items.length;
  }

  /** Send, now or later. */
  add(letter: Letter): Promise<Sent> {
    if (this.#items.length >= QUEUE_LIMIT) {
      return Promise.reject(
        new ParleyError('queue_full', `${QUEUE_LIMIT} messages wait for the connection.`),
      );
    }
    const item = { letter, outcome: deferred<Sent>(), isBacklog: !this.#isOpen, isOnItsWay: false };
    this.#items.push(item);
    this.#pump();
    // A promise of its own: whoever ignores a refusal hears of it.
    return item.outcome.promise.then((sent) => sent);
  }

  /** The channel is subscribed. */
  open(): void {
    this.#isOpen = true;
    this.#pump();
  }

  /** The connection is gone: what was on its way waits again. */
  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    for (const item of this.#items) {
      item.isBacklog = true;
      item.isOnItsWay = false;
    }
  }

  /** Refuse what waits, or with `onlyOnTheirWay` only what has been sent and not acknowledged. */
  refuse(error: ParleyError, onlyOnTheirWay: boolean = false): void {
    const refused = this.#items.filter((item) => item.isOnItsWay || !onlyOnTheirWay);
    for (const item of refused) this.#settle(item, () => item.outcome.reject(error));
  }

  #pump(): void {
    while (this.#isOpen && this.#pause === undefined) {
      const next = this.#items.find((item) => !item.isOnItsWay);
      const first = this.#items[0];
      if (next === undefined || first === undefined) return;
      const isBusy = first.isOnItsWay;
      if (isBusy && (first.isBacklog || next.isBacklog || this.#items.indexOf(next) >= WINDOW)) return;
      this.#send(next);
    }
  }

  #send(item: Item): void {
    item.isOnItsWay = true;
    this.#publish(item.letter).then(
      (sent) => this.#settle(item, () => item.outcome.resolve(sent)),
      (error: ParleyError) => {
        if (error.code === 'connection_lost' || error.code === 'not_connected') return; // it waits in `close`
        if (item.isBacklog && error.code === 'rate_limit_exceeded') {
          item.isOnItsWay = false;
          this.#pauseFor(error.retryAfter ?? 1);
        } else this.#settle(item, () => item.outcome.reject(error));
      },
    );
  }

  #pauseFor(seconds: number): void {
    if (!this.#isOpen) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#pump();
    }, seconds * 1_000);
  }

  #settle(item: Item, tell: () => void): void {
    const at = this.#items.indexOf(item);
    if (at < 0) return;
    this.#items.splice(at, 1);
    tell();
    this.#pump();
  }
}
