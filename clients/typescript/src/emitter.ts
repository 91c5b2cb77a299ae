/** Names of events, and what their listeners are given. */
export type Events<E> = { [K in keyof E]: unknown[] };
/** A listener of one of them. */
export type Listener<Args extends unknown[]> = (...args: Args) => void;

/**
 * Typed events.
 *
 * A listener that throws harms neither the other listeners nor the connection: its error surfaces as an uncaught
 * one, in a turn of its own.
 */
export class Emitter<E extends Events<E>> {
  readonly #listeners = new Map<keyof E, Set<Listener<never>>>();

  /** Listen; the returned function stops it. */
  on<K extends keyof E>(event: K, listener: Listener<E[K]>): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => this.off(event, listener);
  }

  /** Listen to the next occurrence only; the returned function stops it. */
  once<K extends keyof E>(event: K, listener: Listener<E[K]>): () => void {
    const stop = this.on(event, (...args) => {
      stop();
      listener(...args);
    });
    return stop;
  }

  /** Stop a listener, or all of an event. */
  off<K extends keyof E>(event: K, listener?: Listener<E[K]>): void {
    if (listener === undefined) this.#listeners.delete(event);
    else this.#listeners.get(event)?.delete(listener);
  }

  /** Tell the listeners, in the order in which they came. */
  protected emit<K extends keyof E>(event: K, ...args: E[K]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as Listener<E[K]>)(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** An emitter whose owner is another object. */
export class Bus<E extends Events<E>> extends Emitter<E> {
  override emit<K extends keyof E>(event: K, ...args: E[K]): void {
    super.emit(event, ...args);
  }
}
