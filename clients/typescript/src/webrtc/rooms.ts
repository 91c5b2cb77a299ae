import { ParleyError } from '../errors.ts';
import type { RoomFrame } from '../realtime/frames.ts';
import { LocalMedia } from './localmedia.ts';
import { Room } from './room.ts';
import type { Joined, JoinOptions, RoomEventFrame, Signalling } from './types.ts';

/** Calls: the rooms that this client takes part in. */
export class Rooms {
  readonly #signalling: Signalling;
  readonly #rooms = new Map<string, Room>();

  /** @internal */
  constructor(signalling: Signalling) {
    this.#signalling = signalling;
  }

  /**
   * Take part in a room. Browsers only.
   *
   * Rejects with `not_found`, `expired`, `invalid_token` or `room_full` as the server says, or with the browser's own
   * error when microphone or camera cannot be opened; nothing is joined then.
   */
  async join(options: JoinOptions): Promise<Room> {
    const { room_id, token, user_data = {} } = options;
    if (this.#rooms.has(room_id)) throw new ParleyError('already_connected', 'This client is in the room.');
    if (typeof RTCPeerConnection === 'undefined') {
      throw new ParleyError('unsupported', 'Calls need WebRTC, which browsers have and this place has not.');
    }
    const media = new LocalMedia(options);
    await media.open();
    const signalling = this.#signalling;
    const join = () =>
      signalling.ask<Joined>({
        type: 'webrtc.join',
        room_id,
        token,
        audio: media.isOn('audio'),
        video: media.isOn('video'),
        user_data,
      });
    try {
      const left = () => this.#rooms.delete(room_id);
      const room = new Room({ signalling, media, join, left }, await join());
      this.#rooms.set(room_id, room);
      return room;
    } catch (error) {
      media.close();
      throw error;
    }
  }

  /** @internal */
  arrived(frame: RoomFrame): void {
    this.#rooms.get(frame.room_id)?.arrived(frame as RoomFrame & RoomEventFrame);
  }

  /** @internal */
  interrupted(): void {
    for (const room of this.#rooms.values()) room.interrupted();
  }

  /** @internal */
  welcomed(isResumed: boolean): void {
    for (const room of this.#rooms.values()) void room.welcomed(isResumed);
  }

  /** @internal */
  ended(): void {
    for (const room of [...this.#rooms.values()]) room.end();
  }
}
