import { asError, ParleyError } from '../errors.ts';
import type { TransportOwner } from './types.ts';

/** Milliseconds before asking a server again that has no room for media at the moment. */
const AGAIN_MS = 500;
const ATTEMPTS = 40;

/** One of the two connections to the server: what both have in common. */
export class Leg {
  /** The present connection; another one takes its place when it is lost. */
  connection: RTCPeerConnection;
  readonly #pc: 'send' | 'receive';
  readonly #serverId: string;
  readonly #configuration: RTCConfiguration;
  readonly #owner: TransportOwner;
  #name = 1;
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(pc: 'send' | 'receive', serverId: string, iceServers: RTCIceServer[], owner: TransportOwner) {
    this.#pc = pc;
    this.#serverId = serverId;
    this.#configuration = { iceServers, bundlePolicy: 'max-bundle' };
    this.#owner = owner;
    this.connection = new RTCPeerConnection(this.#configuration);
  }

  /** Whether something that was said is about the present connection. */
  is(name: string | undefined): boolean {
    return name === undefined || name === String(this.#name);
  }

  /** Start over. */
  renew(): void {
    this.connection.close();
    this.#name += 1;
    this.connection = new RTCPeerConnection(this.#configuration);
  }

  /** Do things one after the other. */
  queue(work: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#isClosed ? undefined : work()))
      .catch((error: unknown) => {
        if (!this.#isClosed && !isPassing(error)) this.#owner.failed(asError(error));
      });
  }

  /** Tell the server the present description; while it has no room for media, again. */
  async tell(more: Record<string, unknown> = {}): Promise<void> {
    const connection = this.connection;
    for (let attempt = 1; connection === this.connection && !this.#isClosed; attempt += 1) {
      const { type, sdp } = connection.localDescription ?? {};
      const signal = { pc: this.#pc, connection: String(this.#name), kind: type, sdp, ...more };
      try {
        await this.#owner.ask(this.#serverId, signal);
        return;
      } catch (error) {
        const isBusy = error instanceof ParleyError && error.code === 'service_unavailable';
        if (!isBusy || attempt === ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.connection.close();
  }
}

/** What mends itself when the connection is back. */
function isPassing(error: unknown): boolean {
  return error instanceof ParleyError && (error.code === 'connection_lost' || error.code === 'not_connected');
}
