/** A place in the stream of a channel. `epoch` changes when the stream begins anew. */
export interface Place {
  epoch: string;
  offset: number;
}

/** A message, as handlers, history and search give it. */
export interface Message<Data = unknown> {
  id: string;
  channel_id: string;
  /** `message`, or the name it was sent under. */
  event: string;
  /** The author; null when the app's server published it. */
  user_id: string | null;
  data: Data;
  /** RFC 3339. */
  created_at: string;
  /** Its place among the channel's publications. */
  offset: number;
  /** The id its sender gave it, if it did. */
  client_id?: string;
}

/** Where a custom event comes from. */
export interface Origin {
  user_id: string | null;
  channel_id: string;
  offset: number;
  /** Undefined for events that are not kept. */
  id?: string;
  created_at?: string;
}

/** A member of a channel. */
export interface Member<Data = unknown> {
  user_id: string;
  /** `online`, `away`, `busy`, `dnd`, `offline` or the app's own. */
  status: string;
  /** What the member said, with `user_id` and `status`. */
  data: Data & { user_id: string; status: string };
  /** How many connections of this user are members. */
  connections: number;
  joined_at: string;
  updated_at: string;
}

/** Somebody who writes. */
export interface Typist {
  user_id: string;
  user_name: string;
  [more: string]: unknown;
}

/** Somebody has read a message. */
export interface Receipt {
  message_id: string;
  user_id: string;
  channel_id: string;
  /** RFC 3339. */
  read_at: string;
  /** Every earlier message of the channel is meant as well. */
  up_to?: boolean;
}

/** What became of a message that was sent. */
export interface Sent extends Place {
  id: string;
  channel: string;
  created_at: string;
}

/** Why the stream of a channel could not be continued; fetch its history again. */
export interface Reload {
  reason: 'expired' | 'epoch_changed' | 'too_many' | (string & {});
}

/** What the server says when a connection stands. */
export interface Welcome {
  socket_id: string;
  session_id: string;
  user_id: string;
  app_id: string;
  environment: 'staging' | 'production';
  /** Whether the session before the interruption goes on. */
  resumed: boolean;
  token_expires_at: string;
  server_time: string;
  limits: {
    plan: string;
    channels: number | null;
    messages_per_second: number | null;
    max_frame_bytes: number;
  };
}

/** See `realtime.getState()`. */
export type ConnectionState = 'connecting' | 'connected' | 'disconnecting' | 'disconnected';
