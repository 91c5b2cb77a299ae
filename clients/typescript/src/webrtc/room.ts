import { Emitter } from '../emitter.ts';
import { asError, ParleyError } from '../errors.ts';
import { ScreenControl, type Switchable, TrackControl } from './controls.ts';
import type { LocalMedia } from './localmedia.ts';
import { Mesh } from './mesh.ts';
import { Sfu } from './sfu.ts';
import type {
  Joined,
  MediaKind,
  Participant,
  RoomEventFrame,
  RoomInfo,
  Signal,
  Signalling,
  Sync,
  Transport,
  TransportOwner,
} from './types.ts';

/** Signals kept while there is no connection; those of one negotiation are a few dozen. */
const UNSENT_LIMIT = 500;

/**
 * Why a room is over for this client: it `left`; the room was `closed` for everybody; or its place was `lost`,
 * because the connection ended for good or somebody else took the last place meanwhile.
 */
export type RoomEnd = 'left' | 'closed' | 'lost';

/** What a room tells. */
export type RoomEvents = {
  'participant:joined': [participant: Participant];
  'participant:left': [participant: Participant];
  /** Microphone and camera, or the screen, of somebody have arrived. */
  'participant:stream': [participant: Participant, stream: MediaStream, kind: 'camera' | 'screen'];
  'participant:audio': [participant: Participant];
  'participant:video': [participant: Participant];
  'participant:screen': [participant: Participant];
  /** The room is over for this client. */
  ended: [why: RoomEnd];
  error: [error: Error];
};

/** What a room needs to enter, and to enter again. */
export interface Entrance {
  signalling: Signalling;
  media: LocalMedia;
  join: () => Promise<Joined>;
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
  #joined: Joined;
  #transport: Transport;
  #unsent: { to: string; signal: Signal }[] = [];
  #early = new Map<string, Pick<Participant, 'stream' | 'screenStream'>>();
  #isAway = false;
  #isOver = false;

  /** @internal */
  constructor(entrance: Entrance, joined: Joined) {
    super();
    this.#entrance = entrance;
    this.#joined = joined;
    this.#transport = this.#open();
    const self: Switchable = {
      isOn: (kind) => entrance.media.isOn(kind),
      set: (kind, isOn) => this.#set(kind, isOn),
    };
    this.audio = new TrackControl(self, 'audio');
    this.video = new TrackControl(self, 'video');
    this.screen = new ScreenControl(self);
    this.#welcomeAll();
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

  /** The browser's statistics of the connection on which a participant's media come; undefined without one. */
  stats(participantId: string): Promise<RTCStatsReport> | undefined {
    return this.#transport.stats(participantId);
  }

  /** Leave, and let go of microphone, camera and screen. */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    this.#end('left');
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
    if (frame.type === 'webrtc.signal') this.#transport.signal(frame.from, frame);
    else if (frame.type === 'webrtc.room') {
      if (frame.action === 'sync') this.#return(frame);
      else this.#end(frame.action === 'ended' ? 'closed' : 'lost');
    } else if (frame.action === 'media') this.#changed(frame.participant, frame.changed);
    else if (frame.action === 'joined') this.#came(frame.participant);
    else this.#went(frame.participant.id);
  }

  /** @internal The connection is back; without its session the room has to be entered anew. */
  async welcomed(isResumed: boolean): Promise<void> {
    if (isResumed) return; // the server says next who is there
    for (const id of [...this.#participants.keys()]) this.#went(id);
    try {
      this.#renew(await this.#entrance.join());
    } catch (error) {
      if (error instanceof ParleyError && error.code === 'connection_lost') return; // the next one
      const isOver = error instanceof ParleyError && /^(expired|not_found)$/.test(error.code);
      if (!isOver) this.emit('error', asError(error));
      this.#end(isOver ? 'closed' : 'lost');
    }
  }

  /** @internal */
  interrupted(): void {
    this.#isAway = true;
  }

  /** @internal Nobody comes back. */
  end(): void {
    this.#end('lost');
  }

  // --- who is here ------------------------------------------------------------------------------

  #open(): Transport {
    const { ice_servers, sfu, participant } = this.#joined;
    const owner: TransportOwner = {
      ask: (to, signal) => {
        const frame = { type: 'webrtc.signal', room_id: this.id, to, ...signal };
        return this.#entrance.signalling.ask(frame);
      },
      send: (to, signal) => this.#send(to, signal),
      stream: (id, stream, isScreen) => this.#streamed(id, stream, isScreen),
      failed: (error) => this.emit('error', error),
    };
    if (sfu !== undefined) return new Sfu(sfu.id, ice_servers, this.#entrance.media, owner);
    return new Mesh(participant.id, ice_servers, this.#entrance.media, owner);
  }

  #welcomeAll(): void {
    const { participants } = this.#joined;
    for (const participant of participants) this.#participants.set(participant.id, { ...participant });
    this.#transport.start(participants);
  }

  /** As if this client had just come, with other connections. */
  #renew(joined: Joined): void {
    if (this.#isOver) return;
    this.#transport.close();
    this.#unsent = [];
    this.#isAway = false;
    this.#joined = joined;
    this.#transport = this.#open();
    this.#welcomeAll();
    for (const participant of this.participants) this.emit('participant:joined', participant);
    this.#tellMedia('audio', 'video', 'screen');
  }

  /** After an interruption that the session survived: say what was not said, and see what was missed. */
  #return(sync: Sync): void {
    const { room } = this.#joined;
    const joined: Joined = { ...sync, room };
    if (sync.rejoined) {
      // The others have closed their connections to this client, and wait for its call.
      for (const id of [...this.#participants.keys()]) this.#went(id);
      this.#renew(joined);
      return;
    }
    this.#joined = joined;
    this.#isAway = false;
    const ids = new Set(sync.participants.map(({ id }) => id));
    for (const id of [...this.#participants.keys()]) if (!ids.has(id)) this.#went(id);
    for (const { to, signal } of this.#unsent.splice(0)) if (ids.has(to)) this.#send(to, signal);
    this.#transport.returned();
    for (const participant of sync.participants) {
      const known = this.#participants.get(participant.id);
      if (known === undefined) {
        this.#came(participant);
        this.#transport.missed(participant);
      } else {
        const kinds = (['audio', 'video', 'screen'] as const).filter(
          (kind) => known[kind] !== participant[kind],
        );
        this.#changed(participant, kinds);
      }
    }
    this.#tellMedia('audio', 'video', 'screen');
  }

  #came(participant: Participant): void {
    if (participant.id === this.self.id || this.#participants.has(participant.id)) return;
    const known = { ...participant };
    this.#participants.set(known.id, known);
    this.emit('participant:joined', known);
    for (const isScreen of [false, true]) this.#announce(known.id, isScreen);
  }

  #went(id: string): void {
    const participant = this.#participants.get(id);
    if (participant === undefined) return;
    this.#participants.delete(id);
    this.#transport.left(id);
    this.#early.delete(id);
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
      this.#transport.update();
      this.#tellMedia(kind);
    }
  }

  #tellMedia(...kinds: MediaKind[]): void {
    const { media, signalling } = this.#entrance;
    const state = Object.fromEntries(kinds.map((kind) => [kind, media.isOn(kind)]));
    Object.assign(this.#joined.participant, state);
    signalling.tell({ type: 'webrtc.media', room_id: this.id, ...state });
  }

  // --- signals and streams ----------------------------------------------------------------------

  #send(to: string, signal: Signal): void {
    if (!this.#isAway) {
      this.#entrance.signalling.tell({ type: 'webrtc.signal', room_id: this.id, to, ...signal });
    } else if (this.#unsent.length < UNSENT_LIMIT) this.#unsent.push({ to, signal });
  }

  #streamed(id: string, stream: MediaStream | undefined, isScreen: boolean): void {
    const participant = this.#participants.get(id);
    const name = isScreen ? 'screenStream' : 'stream';
    if (participant === undefined) {
      // Media may be announced before their participant.
      this.#early.set(id, { ...this.#early.get(id), [name]: stream });
    } else if (stream === undefined) delete participant[name];
    else if (participant[name] !== stream) {
      participant[name] = stream;
      this.emit('participant:stream', participant, stream, isScreen ? 'screen' : 'camera');
    }
  }

  #announce(id: string, isScreen: boolean): void {
    const stream = this.#early.get(id)?.[isScreen ? 'screenStream' : 'stream'];
    if (stream !== undefined) this.#streamed(id, stream, isScreen);
  }

  #end(why: RoomEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#transport.close();
    this.#participants.clear();
    this.#entrance.media.close();
    this.#entrance.left(this);
    this.emit('ended', why);
  }
}
