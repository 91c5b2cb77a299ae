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
    /** `mesh`: participants send to each other; `sfu`: the server passes on. */
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

/** The server's answer to `webrtc.join`. */
export interface Joined {
  room: RoomInfo;
  participant: Participant;
  participants: Participant[];
  ice_servers: RTCIceServer[];
}

/** A session description or candidate, without its envelope. */
export type Signal =
  | { kind: 'offer' | 'answer'; sdp: string }
  | { kind: 'candidate'; candidate: RTCIceCandidateInit | null };

/** What a participant sends. */
export type MediaState = Partial<Record<MediaKind, boolean>>;
/** What can be switched on and off. */
export type MediaKind = 'audio' | 'video' | 'screen';

/** Frames of a room, from the server. */
export type RoomEventFrame = { room_id: string } & (
  | { type: 'webrtc.participant'; action: 'joined'; participant: Participant }
  | { type: 'webrtc.participant'; action: 'left'; participant: Participant }
  | { type: 'webrtc.participant'; action: 'media'; participant: Participant; changed: MediaKind[] }
  | ({ type: 'webrtc.signal'; from: string } & Signal)
  | { type: 'webrtc.room'; action: 'ended' }
);

/** The way to the server: the connection, seen from a room. */
export interface Signalling {
  ask<T>(frame: { type: string; [member: string]: unknown }): Promise<T>;
  /** Without a connection it is not said. */
  tell(frame: { type: string; [member: string]: unknown }): void;
}
