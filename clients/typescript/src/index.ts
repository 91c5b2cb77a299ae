/** A client of Parley's channels, presence, chat and calls. */
export { type Client, type ClientOptions, createClient } from './client.ts';
export { ParleyError } from './errors.ts';
export type { Channel, Content, SendOptions } from './realtime/channel.ts';
export type { ConnectionEvents, Ending } from './realtime/connection.ts';
export type { History } from './realtime/history.ts';
export type { ConnectionOptions, ConnectOptions } from './realtime/options.ts';
export type { Presence } from './realtime/presence.ts';
export type { Realtime } from './realtime/realtime.ts';
export type { Receipts } from './realtime/receipts.ts';
export type { ChannelEvents, CustomEvent, CustomListener, DataOf, Shape } from './realtime/shapes.ts';
export type { SubscriptionState } from './realtime/subscription.ts';
export type {
  ConnectionState,
  Member,
  Message,
  Origin,
  Place,
  Receipt,
  Reload,
  Sent,
  Typist,
  Welcome,
} from './realtime/types.ts';
export type { Typing } from './realtime/typing.ts';
export type {
  ConnectionToken,
  HistoryQuery,
  ReadStatus,
  SearchQuery,
  TokenRequest,
} from './rest/realtime.ts';
export type { ScreenControl, TrackControl } from './webrtc/controls.ts';
export type { Room, RoomEnd, RoomEvents } from './webrtc/room.ts';
export type { Rooms } from './webrtc/rooms.ts';
export type { JoinOptions, Participant, RoomInfo } from './webrtc/types.ts';
