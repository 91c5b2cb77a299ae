import type { Incoming, Outgoing } from './frames.ts';
import { Heartbeat } from './heartbeat.ts';

const SUBPROTOCOL = 'parley.realtime.v1';
/** As if the connection had broken (RFC 6455 section 7.1.5). */
export const BROKEN = 1006;

/** What a link tells its owner; nothing more after `closed`. */
export interface LinkOwner {
  opened(): void;
  received(frame: Incoming): void;
  closed(code: number, reason: string): void;
}

/** One WebSocket, from opening to its end. */
export class Link {
  readonly #socket: WebSocket;
  readonly #heartbeat: Heartbeat;
  #owner: LinkOwner | undefined;

  constructor(url: string, heartbeatInterval: number, owner: LinkOwner) {
    this.#owner = owner;
    this.#heartbeat = new Heartbeat(
      heartbeatInterval,
      () => this.send({ type: 'ping', ts: Date.now() }),
      () => this.drop('the server does not answer'),
    );
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.onopen = () => {
      this.#heartbeat.start();
      this.#owner?.opened();
    };
    this.#socket.onmessage = ({ data }) => {
      this.#heartbeat.received();
      const frame = parse(data);
      if (frame !== undefined) this.#owner?.received(frame);
    };
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  /** Send a frame; what cannot be sent is lost, and `closed` is told soon. */
  send(frame: Outgoing): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(frame));
    this.#heartbeat.sent();
  }

  /** End it properly; `closed` follows. */
  close(): void {
    this.#socket.close(1000);
  }

  /** Give it up without waiting for the other side. */
  drop(reason: string): void {
    this.#end(BROKEN, reason);
    this.#socket.close();
  }

  #end(code: number, reason: string): void {
    this.#heartbeat.stop();
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.closed(code, reason);
  }
}

function parse(data: unknown): Incoming | undefined {
  try {
    return JSON.parse(String(data)) as Incoming;
  } catch {
    return undefined; // not of this protocol
  }
}
