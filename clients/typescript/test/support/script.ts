import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** A frame in either direction. */
export type Frame = { type: string; [member: string]: unknown };

/** A server that does what a test says: for what the real one does only in trouble. */
export class ScriptedServer {
  readonly url: string;
  /** Everything that was said to it. */
  readonly heard: Frame[] = [];
  readonly #server: WebSocketServer;
  #answer: (frame: Frame, socket: WebSocket) => void;

  private constructor(server: WebSocketServer, answer: (frame: Frame, socket: WebSocket) => void) {
    this.#server = server;
    this.#answer = answer;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      socket.on('message', (data) => {
        const frame = JSON.parse(String(data)) as Frame;
        this.heard.push(frame);
        this.#answer(frame, socket);
      });
    });
  }

  /** A listening server; `answer` is told each frame. */
  static async start(answer: (frame: Frame, socket: WebSocket) => void): Promise<ScriptedServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return new ScriptedServer(server, answer);
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Send frames, together as one turn of a busy server would. */
export function say(socket: WebSocket, ...frames: Frame[]): void {
  for (const frame of frames) socket.send(JSON.stringify(frame));
}

/** The frame that welcomes. */
export function welcome(more: object = {}): Frame {
  return {
    type: 'welcome',
    socket_id: 'socket_1',
    session_id: 's_1',
    resume_token: 'rt_1',
    user_id: 'ada',
    resumed: false,
    limits: { plan: 'free', channels: 10, messages_per_second: 50, max_frame_bytes: 65_536 },
    ...more,
  };
}

/** A message at a place. */
export function message(offset: number, epoch: string = 'e'): Frame {
  return {
    type: 'message',
    channel: 'chat:1',
    id: `msg_${offset}`,
    event: 'message',
    data: offset,
    offset,
    epoch,
  };
}
