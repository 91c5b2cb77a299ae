/** How long the server may take to answer a ping, in milliseconds. */
export const PONG_TIMEOUT_MS = 10_000;

/** Notices a connection that is dead without saying so: pings when either direction has been quiet for long. */
export class Heartbeat {
  readonly #interval: number;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWaiting = false;
  #sentAt = 0;
  #receivedAt = 0;

  constructor(interval: number, ping: () => void, dead: () => void) {
    this.#interval = interval;
    this.#ping = ping;
    this.#dead = dead;
  }

  start(): void {
    this.#sentAt = this.#receivedAt = performance.now();
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isWaiting = false;
  }

  /** A frame went out. */
  sent(): void {
    this.#sentAt = performance.now();
  }

  /** A frame came in: whatever it is, the server is there. */
  received(): void {
    this.#receivedAt = performance.now();
    if (this.#isWaiting) this.#schedule();
  }

  #schedule(): void {
    this.stop();
    const quietSince = Math.min(this.#sentAt, this.#receivedAt);
    const wait = quietSince + this.#interval - performance.now();
    this.#timer = setTimeout(() => this.#check(), Math.max(wait, 1));
  }

  #check(): void {
    const quietSince = Math.min(this.#sentAt, this.#receivedAt);
    if (performance.now() < quietSince + this.#interval) {
      this.#schedule();
      return;
    }
    this.#ping();
    this.#isWaiting = true;
    this.#timer = setTimeout(this.#dead, PONG_TIMEOUT_MS);
  }
}
