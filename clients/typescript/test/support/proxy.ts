import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The network between a client and the server, to be cut, held and healed. */
export interface Wire {
  /** The server's address by this wire. */
  url: string;
  /** Break every connection, and take no new one. */
  cut(): void;
  /** Let nothing through in either direction, without breaking anything. */
  hold(): void;
  /** Carry nothing on open connections until `heal`, as a reader does who is too slow; nothing gets lost. */
  stall(): void;
  /** Swallow what the server says from now on: what it has done is not heard. */
  deafen(): void;
  /** Take connections again; nothing is held any more. */
  heal(): void;
  close(): Promise<void>;
}

/** A TCP proxy in front of a server. */
export async function wireTo(serverUrl: string): Promise<Wire> {
  const target = Number(new URL(serverUrl).port);
  const open = new Set<Socket>();
  let state: 'open' | 'cut' | 'held' | 'deaf' = 'open';
  const server = createServer((near) => {
    if (state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('data', (chunk) => {
        if (state === 'open' || (state === 'deaf' && socket === near)) other.write(chunk);
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      state = 'cut';
      breakAll();
    },
    hold() {
      state = 'held';
    },
    stall() {
      for (const socket of open) socket.pause();
    },
    deafen() {
      state = 'deaf';
    },
    heal() {
      state = 'open';
      for (const socket of open) socket.resume();
    },
    async close() {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}
