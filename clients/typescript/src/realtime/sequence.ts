import type { Place } from './types.ts';

/** Publications that wait for an earlier one; more are fetched anew. */
const HELD_LIMIT = 1_000;

/** What came of news. */
export interface Outcome<T> {
  /** Whose turn it is now, in order. */
  ready: T[];
  /** Something is missing that will not come by itself. */
  gap: boolean;
}

/**
 * The order of one channel: each publication once, in order, and gaps noticed.
 *
 * What this connection publishes without an echo leaves a hole that is no gap; only its acknowledgement says where
 * the hole is. So while such acknowledgements are awaited, publications behind a hole wait with them.
 */
export class Sequence<T extends Place> {
  #place: Place | undefined;
  readonly #held = new Map<number, T>();
  readonly #own = new Set<number>();
  #awaited = 0;

  /** Up to where everything has been seen; undefined before the first subscription. */
  get place(): Place | undefined {
    return this.#place && { ...this.#place };
  }

  /** Start from a place. */
  reset(place: Place | undefined): void {
    this.#place = place && { epoch: place.epoch, offset: place.offset };
    this.#held.clear();
    this.#own.clear();
  }

  /** A publication has arrived. */
  offer(one: T): Outcome<T> {
    this.#place ??= { epoch: one.epoch, offset: one.offset - 1 };
    if (one.epoch !== this.#place.epoch) return { ready: [], gap: true };
    if (one.offset <= this.#place.offset) return { ready: [], gap: false };
    this.#held.set(one.offset, one);
    return this.#advance();
  }

  /** Something is being published that will not come back as an echo. */
  publishing(): void {
    this.#awaited += 1;
  }

  /** It has been answered; `at` is its place, undefined when it was refused or its answer got lost. */
  published(at: Place | undefined): Outcome<T> {
    this.#awaited -= 1;
    if (at !== undefined && at.epoch === this.#place?.epoch && at.offset > this.#place.offset) {
      this.#own.add(at.offset);
    }
    return this.#advance();
  }

  #advance(): Outcome<T> {
    const ready: T[] = [];
    const place = this.#place;
    while (place !== undefined) {
      const next = place.offset + 1;
      const held = this.#held.get(next);
      if (!this.#own.delete(next) && held === undefined) break;
      this.#held.delete(next);
      if (held !== undefined) ready.push(held);
      place.offset = next;
    }
    const gap = this.#held.size > 0 && (this.#awaited === 0 || this.#held.size > HELD_LIMIT);
    return { ready, gap };
  }
}
