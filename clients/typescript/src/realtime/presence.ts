import type { Bus } from '../emitter.ts';
import { ParleyError } from '../errors.ts';
import type { PresenceFrame } from './frames.ts';
import type { ChannelEvents, DataOf, Shape } from './shapes.ts';
import type { Subscription } from './subscription.ts';
import type { Member } from './types.ts';
import type { Wiring } from './wiring.ts';

type Data = Record<string, unknown>;

/** The members of a channel, and being one of them. */
export class Presence<S extends Shape> {
  readonly #subscription: Subscription;
  readonly #wiring: Wiring;
  readonly #events: Bus<ChannelEvents<S>>;
  readonly #members = new Map<string, Member<DataOf<S, 'presence'>>>();
  #parts: Member<DataOf<S, 'presence'>>[] = [];
  #said: Data | undefined; // undefined: not a member
  #saying = 0; // on their way to the server

  /** @internal */
  constructor(subscription: Subscription, wiring: Wiring, events: Bus<ChannelEvents<S>>) {
    this.#subscription = subscription;
    this.#wiring = wiring;
    this.#events = events;
  }

  /** The members as last heard of; without a connection it grows old. */
  get members(): Member<DataOf<S, 'presence'>>[] {
    return [...this.#members.values()];
  }

  /** Be a member; after an interruption this client enters again by itself. */
  async enter(data: Partial<DataOf<S, 'presence'>> & object = {}): Promise<Member<DataOf<S, 'presence'>>> {
    this.#said = { ...data } as Data;
    return this.#say('presence.enter', { data });
  }

  /** Change some of what others see; `null` removes a member of the data. Enters if need be. */
  async update(
    data: { [K in keyof DataOf<S, 'presence'>]?: DataOf<S, 'presence'>[K] | null } & object,
  ): Promise<Member<DataOf<S, 'presence'>>> {
    const merged = Object.entries({ ...this.#said, ...data }).filter(([, value]) => value !== null);
    this.#said = Object.fromEntries(merged);
    return this.#say('presence.update', { data });
  }

  /** Be a member no more; the subscription stays. */
  async leave(): Promise<void> {
    this.#said = undefined;
    await this.#subscription.ready;
    await this.#ask('presence.leave');
    await this.getMembers();
  }

  /** Ask who is here. */
  async getMembers(): Promise<Member<DataOf<S, 'presence'>>[]> {
    await this.#subscription.ready;
    const { members } = await this.#ask<{ members: Member<DataOf<S, 'presence'>>[] }>('presence.get');
    this.#replace(members);
    return members;
  }

  /** @internal The connection is back; with `isFresh` the server has forgotten this client. */
  restored(isFresh: boolean): void {
    if (this.#said === undefined || !isFresh || this.#saying > 0) return;
    this.#say('presence.enter', { data: this.#said }).catch((error: unknown) => {
      if (error instanceof ParleyError && error.code !== 'disconnected') this.#events.emit('error', error);
    });
  }

  /** @internal Nobody comes back. */
  forget(): void {
    this.#said = undefined;
    this.#members.clear();
  }

  /** @internal */
  arrived(frame: PresenceFrame): void {
    if (frame.action === 'sync') {
      if (frame.part === 1) this.#parts = [];
      this.#parts.push(...(frame.members as Member<DataOf<S, 'presence'>>[]));
      if (frame.part < frame.parts) return;
      this.#replace(this.#parts);
      this.#events.emit('presence:sync', this.members);
    } else {
      const member = frame.member as Member<DataOf<S, 'presence'>>;
      if (frame.action === 'leave') this.#members.delete(member.user_id);
      else this.#members.set(member.user_id, member);
      this.#events.emit(`presence:${frame.action}`, member);
    }
    this.#events.emit('presence', this.members);
  }

  #replace(members: Member<DataOf<S, 'presence'>>[]): void {
    this.#members.clear();
    for (const member of members) this.#members.set(member.user_id, member);
  }

  /** Say something of oneself, after an interruption again: it does the same twice. */
  async #say(type: string, more: Data): Promise<Member<DataOf<S, 'presence'>>> {
    this.#saying += 1;
    try {
      for (;;) {
        await this.#subscription.ready;
        try {
          return (await this.#ask<{ member: Member<DataOf<S, 'presence'>> }>(type, more)).member;
        } catch (error) {
          if (!(error instanceof ParleyError && error.code === 'connection_lost')) throw error;
        }
      }
    } finally {
      this.#saying -= 1;
    }
  }

  #ask<T>(type: string, more: Data = {}): Promise<T> {
    return this.#wiring.connection.ask<T>({ type, channel: this.#subscription.name, ...more });
  }
}
