import { Emitter } from '../emitter.ts';
import { asError, ParleyError } from '../errors.ts';
import { ScreenControl, type Switchable, TrackControl } from './controls.ts';
import type { LocalMedia } from './localmedia.ts';
import { Peer } from './peer.ts';
import type {
  Joined,
  MediaKind,
  Participant,
  RoomEventFrame,
  RoomInfo,
  Signal,
  Signalling,
} from './types.ts';

/** Signals kept while there is no connection; those of one negotiation are a few dozen. */
const UNSENT_LIMIT = 500;

/** What a room tells. */
export type RoomEvents = {
  'participant:joined': [participant: Participant];
  'participant:left': [participant: Participant];
  /** Microphone and camera, or the screen, of somebody have arrived. */
  'participant:stream': [participant: Participant, stream: MediaStream, kind: 'camera' | 'screen'];
  'participant:audio': [participant: Participant];
  'participant:video': [participant: Participant];
  'participant:screen': [participant: Participant];
  /** The room is over for this client: it was deleted, or this client left. */
  ended: [];
  error: [error: Error];
};

/** What a room needs to enter, and to enter again. */
export interface Entrance {
  signalling: Signalling;
  media: LocalMedia;
  join: () => Promise<Joined>;
  /** Who is there now, after an interruption. */
  present: () => Promise<Participant[]>;
  left: (room: Room) => void;
}

/** A call that this client takes part in; `realtime.webrtc.join` makes it. */
export class Room extends Emitter<RoomEvents> {
  /** This client's camera. */
  readonly video: TrackControl;
  /** This client's microphone. */
  readonly audio: TrackControl;
  /** This client's screen. */
  readonly screen: ScreenControl;
  readonly #entrance: Entrance;
  readonly #participants = new Map<string, Participant>();
  readonly #peers = new Map<string, Peer>();
  #joined: Joined;
  #unsent: { to: string; signal: Signal }[] = [];
  #isAway = false;
  #isOver = false;

  /** @internal */
  constructor(entrance: Entrance, joined: Joined) {
    super();
    this.#entrance = entrance;
    this.#joined = joined;
    const self: Switchable = {
      isOn: (kind) => entrance.media.isOn(kind),
      set: (kind, isOn) => this.#set(kind, isOn),
    };
    this.audio = new TrackControl(self, 'audio');
    this.video = new TrackControl(self, 'video');
    this.screen = new ScreenControl(self);
    this.#enter(joined);
  }

  get id(): string {
    return this.#joined.room.id;
  }

  /** What the server says of the room. */
  get info(): RoomInfo {
    return this.#joined.room;
  }

  /** This client, as the others see it. */
  get self(): Participant {
    return this.#joined.participant;
  }

  /** The others. */
  get participants(): Participant[] {
    return [...this.#participants.values()];
  }

  /** This client's microphone and camera. */
  get localStream(): MediaStream {
    return this.#entrance.media.stream;
  }

  /** The browser's statistics of the connection to a participant; undefined when there is none. */
  stats(participantId: string): Promise<RTCStatsReport> | undefined {
    return this.#peers.get(participantId)?.stats();
  }

  /** Leave, and let go of microphone, camera and screen. */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    await this.#entrance.signalling
      .ask({ type: 'webrtc.leave', room_id: this.id })
      .catch((error: unknown) => {
        // Without a connection the server notices by itself.
        if (!(error instanceof ParleyError && /^(not_connected|connection_lost)$/.test(error.code)))
          throw error;
      });
  }

  // --- for the client: what the connection says -----------------------------------------------

  /** @internal */
  arrived(frame: RoomEventFrame): void {
    if (frame.type === 'webrtc.room') this.#end();
    else if (frame.type === 'webrtc.signal') this.#signalled(frame.from, frame);
    else if (frame.action === 'media') this.#changed(frame.participant, frame.changed);
    else if (frame.action === 'joined') this.#came(frame.participant);
    else this.#went(frame.participant.id);
  }

  /** @internal The connection is back; without its session the room has to be entered anew. */
  async welcomed(isResumed: boolean): Promise<void> {
    try {
      if (isResumed) await this.#return();
      else await this.#reenter();
    } catch (error) {
      this.emit('error', asError(error));
      if (!isResumed && !(error instanceof ParleyError && error.code === 'connection_lost')) this.#end();
    }
  }

  /** @internal */
  interrupted(): void {
    this.#isAway = true;
  }

  /** @internal Nobody comes back. */
  end(): void {
    this.#end();
  }

  // --- who is here ------------------------------------------------------------------------------

  #enter(joined: Joined): void {
    this.#joined = joined;
    for (const participant of joined.participants) this.#participants.set(participant.id, { ...participant });
    // The newcomer calls those who are there; they answer.
    for (const participant of joined.participants) this.#peer(participant.id).call();
  }

  #came(participant: Participant): void {
    if (participant.id === this.self.id || this.#participants.has(participant.id)) return;
    const known = { ...participant };
    this.#participants.set(known.id, known);
    this.emit('participant:joined', known);
  }

  #went(id: string): void {
    const participant = this.#participants.get(id);
    if (participant === undefined) return;
    this.#participants.delete(id);
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
    this.emit('participant:left', participant);
  }

  #changed(now: Participant, changed: MediaKind[]): void {
    if (now.id === this.self.id) Object.assign(this.#joined.participant, now);
    const participant = this.#participants.get(now.id);
    if (participant === undefined) return;
    Object.assign(participant, now);
    if (!participant.screen) delete participant.screenStream;
    for (const kind of changed) this.emit(`participant:${kind}`, participant);
  }

  /** After an interruption that the session survived: say what was not said, and see what was missed. */
  async #return(): Promise<void> {
    this.#isAway = false;
    for (const { to, signal } of this.#unsent.splice(0)) this.#send(to, signal);
    this.#tellMedia('audio', 'video', 'screen');
    const present = await this.#entrance.present();
    const ids = new Set(present.map(({ id }) => id));
    for (const id of [...this.#participants.keys()]) if (!ids.has(id)) this.#went(id);
    for (const participant of present) {
      const known = this.#participants.get(participant.id);
      const kinds = (['audio', 'video', 'screen'] as const).filter(
        (kind) => known?.[kind] !== participant[kind],
      );
      if (known !== undefined) this.#changed(participant, kinds);
      else if (participant.id !== this.self.id) {
        this.#came(participant);
        this.#peer(participant.id).call(); // the call of this newcomer may have been missed
      }
    }
    for (const peer of this.#peers.values()) if (peer.state !== 'connected') peer.restart();
  }

  async #reenter(): Promise<void> {
    for (const id of [...this.#participants.keys()]) this.#went(id);
    this.#unsent = [];
    const joined = await this.#entrance.join();
    if (this.#isOver) return;
    this.#isAway = false;
    this.#enter(joined);
    for (const participant of this.participants) this.emit('participant:joined', participant);
    this.#tellMedia('audio', 'video', 'screen');
  }

  // --- media ------------------------------------------------------------------------------------

  async #set(kind: MediaKind, isOn: boolean): Promise<void> {
    const { media } = this.#entrance;
    if (this.#isOver || media.isOn(kind) === isOn) return;
    if (kind !== 'screen') await media.set(kind, isOn);
    else if (!isOn) media.closeScreen();
    else {
      const screen = await media.openScreen();
      // The user may stop sharing in the browser's own controls.
      const ended = () =>
        void this.#set('screen', false).catch((error) => this.emit('error', asError(error)));
      for (const track of screen.getVideoTracks()) track.onended = ended;
    }
    if (this.#isOver) media.close();
    else {
      for (const peer of this.#peers.values()) peer.update();
      this.#tellMedia(kind);
    }
  }

  #tellMedia(...kinds: MediaKind[]): void {
    const { media, signalling } = this.#entrance;
    const state = Object.fromEntries(kinds.map((kind) => [kind, media.isOn(kind)]));
    Object.assign(this.#joined.participant, state);
    signalling.tell({ type: 'webrtc.media', room_id: this.id, ...state });
  }

  // --- peers ------------------------------------------------------------------------------------

  #signalled(from: string, signal: Signal): void {
    if (this.#participants.has(from)) this.#peer(from).signal(signal);
  }

  #peer(id: string): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const isPolite = this.self.id > id;
    const peer = new Peer(this.#joined.ice_servers, isPolite, this.#entrance.media, {
      send: (signal) => this.#send(id, signal),
      stream: (stream, isScreen) => this.#streamed(id, stream, isScreen),
      failed: (error) => this.emit('error', error),
    });
    this.#peers.set(id, peer);
    return peer;
  }

  #send(to: string, signal: Signal): void {
    if (!this.#isAway) {
      this.#entrance.signalling.tell({ type: 'webrtc.signal', room_id: this.id, to, ...signal });
    } else if (this.#unsent.length < UNSENT_LIMIT) this.#unsent.push({ to, signal });
  }

  #streamed(id: string, stream: MediaStream, isScreen: boolean): void {
    const participant = this.#participants.get(id);
    if (participant === undefined) return;
    const before = isScreen ? participant.screenStream : participant.stream;
    if (before === stream) return;
    if (isScreen) participant.screenStream = stream;
    else participant.stream = stream;
    this.emit('participant:stream', participant, stream, isScreen ? 'screen' : 'camera');
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    this.#participants.clear();
    this.#entrance.media.close();
    this.#entrance.left(this);
    this.emit('ended');
  }
}
