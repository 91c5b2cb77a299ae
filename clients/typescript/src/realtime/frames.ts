import type { Problem } from '../errors.ts';
import type { Member, Place, Typist, Welcome } from './types.ts';

/** A frame to the server. */
export interface Outgoing {
  type: string;
  [member: string]: unknown;
}

export interface WelcomeFrame extends Welcome {
  type: 'welcome';
  resume_token: string;
  channels?: Record<string, Restored>;
}

/** What a resume gave back of one channel. */
export type Restored = { recovered: boolean; reason?: string } & Partial<Place>;

export interface AckFrame {
  type: 'ack';
  id: number;
  result: unknown;
}

export interface ErrorFrame {
  type: 'error';
  id?: number;
  channel?: string;
  error: Problem;
  retry_after?: number;
  fatal?: boolean;
}

export interface MessageFrame extends Place {
  type: 'message';
  channel: string;
  id: string;
  event: string;
  user_id: string | null;
  data: unknown;
  created_at: string;
  client_id?: string;
  replayed?: boolean;
}

export interface EventFrame extends Place {
  type: 'event';
  channel: string;
  event: string;
  user_id: string | null;
  data: unknown;
  replayed?: boolean;
}

export type PublicationFrame = MessageFrame | EventFrame;

export type PresenceFrame = { type: 'presence'; channel: string } & (
  | { action: 'join' | 'update' | 'leave'; member: Member }
  | { action: 'sync'; members: Member[]; part: number; parts: number }
);

export interface TypingFrame {
  type: 'typing';
  channel: string;
  action: 'start' | 'stop';
  user: Typist;
}

export interface ReadFrame {
  type: 'message:read';
  channel: string;
  message_id: string;
  user_id: string;
  read_at: string;
  up_to?: boolean;
}

export interface UnsubscribedFrame {
  type: 'unsubscribed';
  channel: string;
  code: string;
  detail: string;
}

/** Frames that belong to one channel. */
export type ChannelFrame = PublicationFrame | PresenceFrame | TypingFrame | ReadFrame | UnsubscribedFrame;

/** Frames about the connection itself. */
export type ConnectionFrame =
  | WelcomeFrame
  | AckFrame
  | ErrorFrame
  | { type: 'pong' }
  | { type: 'token_expiring'; expires_at: string }
  | { type: 'reconnect'; after_ms: number; reason: string };

/** Frames of calls; `webrtc/frames.ts` has them in detail. */
export interface RoomFrame {
  type: `webrtc.${string}`;
  room_id: string;
}

export type Incoming = ConnectionFrame | ChannelFrame | RoomFrame;

/** The result of subscribing. */
export interface Subscribed extends Place {
  channel: string;
  kind: string;
  /** null when nothing was asked for. */
  recovered: boolean | null;
  history_available: boolean;
}
