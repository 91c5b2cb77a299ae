import type { ParleyError } from '../errors.ts';
import type { Member, Message, Origin, Receipt, Reload, Typist } from './types.ts';

/**
 * What travels on a channel: for each event the type of its data, and under `presence` what members say of themselves.
 *
 * ```ts
 * type Room = { message: { text: string }; presence: { name: string }; cursor: { x: number; y: number } };
 * const room = client.realtime.subscribe<Room>('chat:room-1');
 * ```
 */
export type Shape = object;
/** The data of an event of a shape; `unknown` when the shape does not say. */
export type DataOf<S extends Shape, K> = K extends keyof S ? S[K] : unknown;

/** What a channel tells beside custom events. */
export type ChannelEvents<S extends Shape> = {
  message: [message: Message<DataOf<S, 'message'>>];
  presence: [members: Member<DataOf<S, 'presence'>>[]];
  'presence:join': [member: Member<DataOf<S, 'presence'>>];
  'presence:update': [member: Member<DataOf<S, 'presence'>>];
  'presence:leave': [member: Member<DataOf<S, 'presence'>>];
  'presence:sync': [members: Member<DataOf<S, 'presence'>>[]];
  'typing:start': [user: Typist];
  'typing:stop': [user: Typist];
  'message:read': [receipt: Receipt];
  /** Something was missed and cannot be replayed: fetch the history again. */
  reload: [reload: Reload];
  /** The channel could not be subscribed to, the server ended the subscription, or refused what was not asked. */
  error: [error: ParleyError];
};

/** Events of the channel itself, by which no message can be called. */
export const OWN_EVENTS: ReadonlySet<string> = new Set(['reload', 'error']);

/** Names of custom events. */
export type CustomEvent<S extends Shape> = Exclude<keyof S & string, keyof ChannelEvents<S>> | (string & {});
/** A listener of a custom event. */
export type CustomListener<Data> = (data: Data, origin: Origin) => void;
