import type { MediaKind } from './types.ts';

/** The room, seen from its controls. */
export interface Switchable {
  isOn(kind: MediaKind): boolean;
  set(kind: MediaKind, isOn: boolean): Promise<void>;
}

/** A microphone or camera. `enable` and `disable` are `unmute` and `mute` by other names. */
export class TrackControl {
  readonly #room: Switchable;
  readonly #kind: 'audio' | 'video';

  /** @internal */
  constructor(room: Switchable, kind: 'audio' | 'video') {
    this.#room = room;
    this.#kind = kind;
  }

  /** Whether it is on. */
  get enabled(): boolean {
    return this.#room.isOn(this.#kind);
  }

  /** Switch it on; opens the device if it was not opened when joining. */
  enable(): Promise<void> {
    return this.#room.set(this.#kind, true);
  }

  /** Switch it off. */
  disable(): Promise<void> {
    return this.#room.set(this.#kind, false);
  }

  /** On becomes off, off becomes on; resolves to whether it is on. */
  async toggle(): Promise<boolean> {
    await this.#room.set(this.#kind, !this.enabled);
    return this.enabled;
  }

  /** Switch it off. */
  mute(): Promise<void> {
    return this.disable();
  }

  /** Switch it on. */
  unmute(): Promise<void> {
    return this.enable();
  }
}

/** The screen. */
export class ScreenControl {
  readonly #room: Switchable;

  /** @internal */
  constructor(room: Switchable) {
    this.#room = room;
  }

  /** Whether it is being shared. */
  get enabled(): boolean {
    return this.#room.isOn('screen');
  }

  /** Ask the user for a screen and share it; rejects with the browser's own error when the user declines. */
  share(): Promise<void> {
    return this.#room.set('screen', true);
  }

  /** Stop sharing. */
  stop(): Promise<void> {
    return this.#room.set('screen', false);
  }
}
