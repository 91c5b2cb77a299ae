/** Somebody in a room. */
export interface Participant {
  id: string;
  user_id: string;
  name: string;
  /** `host` or `participant`. */
  role: string;
  /** Whether the microphone is on. */
  audio: boolean;
  /** Whether the camera is on. */
  video: boolean;
  /** Whether the screen is being shared. */
  screen: boolean;
  joined_at: string;
  user_data: Record<string, unknown>;
  /** Microphone and camera; undefined until they arrive. */
  stream?: MediaStream;
  /** The screen, while it is being shared. */
  screenStream?: MediaStream;
}

/** A room, as the server describes it. */
export interface RoomInfo {
  id: string;
  name: string;
  max_participants: number;
  recording_enabled: boolean;
  settings: {
    topology?: 'mesh' | 'sfu';
    video?: { enabled: boolean; quality?: string };
    audio?: { enabled: boolean; noise_suppression?: boolean };
    screen_sharing?: { enabled: boolean };
  };
}

/** How to take part in a room. */
export interface JoinOptions {
  room_id: string;
  /** The room's token; not needed for open rooms. */
  token?: string;
  /** Use the microphone, or say which; by default true. */
  audio?: boolean | MediaTrackConstraints;
  /** Use the camera, or say which; by default true. */
  video?: boolean | MediaTrackConstraints;
  /** What others see of the user. */
  user_data?: Record<string, unknown>;
}

/** How media get from one participant to another. */
export interface Means {
  ice_servers: RTCIceServer[];
  /** `mesh`: participants send to each other; `sfu`: the server passes on. */
  topology: 'mesh' | 'sfu';
  /** The server as a party. */
  sfu?: { id: string };
}

/** The server's answer to `webrtc.join`. */
export interface Joined extends Means {
  room: RoomInfo;
  participant: Participant;
  participants: Participant[];
}

/** A session description or candidate between participants, without its envelope. */
export type Signal =
  | { kind: 'offer' | 'answer'; sdp: string }
  | { kind: 'candidate'; candidate: RTCIceCandidateInit | null };

/** What a section of a description from the server carries. */
export interface Carried {
  participant_id: string;
  medium: 'audio' | 'video' | 'screen' | 'screen_audio';
}

/** What the server as a party says, without its envelope. */
export interface ServerSignal {
  pc: 'send' | 'receive';
  /** This client's name of the connection. */
  connection?: string;
  kind: 'offer' | 'answer' | 'streams' | 'reset';
  sdp?: string;
  /** By mid; complete each time. */
  streams?: Record<string, Carried>;
}

/** What a participant sends. */
export type MediaState = Partial<Record<MediaKind, boolean>>;
/** What can be switched on and off. */
export type MediaKind = 'audio' | 'video' | 'screen';

/** Frames of a room, from the server. */
export type RoomEventFrame = { room_id: string } & (
  | { type: 'webrtc.participant'; action: 'joined'; participant: Participant }
  | { type: 'webrtc.participant'; action: 'left'; participant: Participant }
  | { type: 'webrtc.participant'; action: 'media'; participant: Participant; changed: MediaKind[] }
  | ({ type: 'webrtc.signal'; from: string } & (Signal | ServerSignal))
  | { type: 'webrtc.room'; action: 'ended' }
  /** This client's place could not be kept. */
  | { type: 'webrtc.room'; action: 'left'; reason: string }
  | ({ type: 'webrtc.room'; action: 'sync' } & Sync)
);

/** Who is there after an interruption. */
export interface Sync extends Means {
  participant: Participant;
  participants: Participant[];
  /** The others saw this client leave and come. */
  rejoined: boolean;
}

/** The way to the server: the connection, seen from a room. */
export interface Signalling {
  ask<T>(frame: { type: string; [member: string]: unknown }): Promise<T>;
  /** Without a connection it is not said. */
  tell(frame: { type: string; [member: string]: unknown }): void;
}

/** How media get to the others and from them. */
export interface Transport {
  /** Begin, with those who are there. */
  start(others: Participant[]): void;
  /** Somebody was not known before an interruption. */
  missed(participant: Participant): void;
  left(id: string): void;
  signal(from: string, signal: Signal | ServerSignal): void;
  /** The local media have changed. */
  update(): void;
  /** The connection to the server is back, and signals may have been lost. */
  returned(): void;
  /** The browser's statistics of what comes from a participant. */
  stats(id: string): Promise<RTCStatsReport> | undefined;
  close(): void;
}

/** What a transport needs of its room. */
export interface TransportOwner {
  ask(to: string, signal: Record<string, unknown>): Promise<unknown>;
  send(to: string, signal: Signal): void;
  /** Media of a participant have arrived, or other ones than before; undefined: no more. */
  stream(id: string, stream: MediaStream | undefined, isScreen: boolean): void;
  failed(error: Error): void;
}
