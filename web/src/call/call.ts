/** A call: everybody's picture, and one's own microphone, camera and screen. */
import type { Participant, Room, RoomEnd, Rooms } from 'parley-js';
import { ParleyError } from 'parley-js';
import { el } from '../common/dom';
import { type IconName, icon } from '../common/icons';
import { fitTiles } from './fit';
import { Tile } from './tile';

interface Devices {
  audio: boolean;
  video: boolean;
}

const ENDED = 'This call has ended.';

export class CallView {
  readonly #rooms: Rooms;
  readonly #name: string;
  readonly #devices: Devices;
  readonly #changed: () => void;
  readonly #grid = el('div', { class: 'tiles' });
  readonly #controls = el('div', { class: 'controls', role: 'toolbar', 'aria-label': 'Call' });
  readonly element = el('section', { class: 'call', 'aria-label': 'Call' }, this.#grid, this.#controls);
  readonly #tiles = new Map<string, Tile>();
  #room: Room | undefined;
  #isJoining = false;
  #end: RoomEnd | undefined;

  /** `name` is shown to the others; `changed` is told when people come and go; `devices` are what its rooms have. */
  constructor(rooms: Rooms, name: string, changed: () => void, devices: Devices = { audio: true, video: true }) {
    this.#rooms = rooms;
    this.#name = name;
    this.#devices = devices;
    this.#changed = changed;
    this.element.hidden = true;
    new ResizeObserver(() => this.#fit()).observe(this.#grid);
    window.addEventListener('pagehide', () => void this.#room?.leave().catch(() => undefined));
  }

  get isOpen(): boolean {
    return this.#room !== undefined || this.#isJoining;
  }

  /** Why the last one is over. */
  get end(): RoomEnd | undefined {
    return this.#end;
  }

  /** How many are in it, oneself included; none while one is outside. */
  get people(): number {
    return this.#room === undefined ? 0 : this.#room.participants.length + 1;
  }

  /** Room that one is in. */
  get roomId(): string | undefined {
    return this.#room?.id;
  }

  /** Take part in a call. Rejects with a sentence for people. */
  async join(roomId: string): Promise<void> {
    if (this.isOpen) {
      if (this.#room?.id === roomId) return;
      await this.leave();
    }
    this.#isJoining = true;
    this.#changed();
    try {
      this.#open(await this.#enter(roomId));
    } finally {
      this.#isJoining = false;
      this.#changed();
    }
  }

  async leave(): Promise<void> {
    await this.#room?.leave();
  }

  /** With microphone and camera, with what there is of them, or only to watch. */
  async #enter(room_id: string): Promise<Room> {
    const options = { room_id, user_data: { name: this.#name } };
    const { audio, video } = this.#devices;
    for (const devices of [{ audio, video }, { audio, video: false }, { audio: false, video: false }]) {
      try {
        return await this.#rooms.join({ ...options, ...devices });
      } catch (error) {
        if (error instanceof ParleyError) {
          const isOver = error.code === 'gone' || error.code === 'not_found' || error.code === 'expired';
          if (!isOver) throw error;
          this.#end = 'closed';
          throw new Error(ENDED, { cause: error });
        }
        // The device is missing, in use or refused.
      }
    }
    throw new Error('The call could not be joined.');
  }

  #open(room: Room): void {
    this.#room = room;
    this.element.hidden = false;
    const self = this.#tile(room.self);
    self.setStream(room.localStream);
    for (const participant of room.participants) this.#tile(participant);
    room.on('participant:joined', (participant) => {
      this.#tile(participant);
      this.#changed();
    });
    room.on('participant:left', ({ id }) => {
      this.#drop(id);
      this.#drop(`${id} screen`);
      this.#changed();
    });
    room.on('participant:stream', (participant, stream, kind) => {
      if (kind === 'camera') this.#tile(participant).setStream(stream);
      else this.#screen(participant, stream);
    });
    for (const kind of ['audio', 'video'] as const) {
      room.on(`participant:${kind}`, (participant) => this.#tile(participant).update(participant));
    }
    room.on('participant:screen', ({ id, screen }) => {
      if (!screen) this.#drop(`${id} screen`);
    });
    room.on('ended', (why) => this.#close(why));
    this.#drawControls();
  }

  #close(why: RoomEnd): void {
    this.#room = undefined;
    this.#end = why;
    for (const key of [...this.#tiles.keys()]) this.#drop(key);
    this.element.hidden = true;
    this.#changed();
  }

  #tile(participant: Participant): Tile {
    const known = this.#tiles.get(participant.id);
    if (known !== undefined) return known;
    const isSelf = participant.id === this.#room?.self.id;
    const tile = new Tile(participant, isSelf ? 'self' : 'camera');
    if (participant.stream !== undefined) tile.setStream(participant.stream);
    this.#add(participant.id, tile);
    return tile;
  }

  #screen(participant: Participant, stream: MediaStream): void {
    const key = `${participant.id} screen`;
    const tile = this.#tiles.get(key) ?? new Tile(participant, 'screen');
    tile.setStream(stream);
    this.#add(key, tile);
  }

  #add(key: string, tile: Tile): void {
    this.#tiles.set(key, tile);
    this.#grid.append(tile.element);
    this.#fit();
  }

  #drop(key: string): void {
    this.#tiles.get(key)?.element.remove();
    this.#tiles.delete(key);
    this.#fit();
  }

  /** The pictures are as large as the place for them allows. */
  #fit(): void {
    const { width, height } = fitTiles(this.#tiles.size, this.#grid.clientWidth, this.#grid.clientHeight);
    this.#grid.dataset.count = String(this.#tiles.size);
    this.#grid.style.setProperty('--tile-width', `${width}px`);
    this.#grid.style.setProperty('--tile-height', `${height}px`);
  }

  #drawControls(): void {
    const room = this.#room;
    if (room === undefined) return;
    const { settings } = room.info;
    const canShare = settings.screen_sharing?.enabled !== false && 'getDisplayMedia' in (navigator.mediaDevices ?? {});
    const isSharing = room.screen.enabled;
    const controls = [
      settings.audio?.enabled !== false && this.#switch('Microphone', room.audio.enabled, 'mic', 'micOff', () => room.audio.toggle()),
      settings.video?.enabled !== false && this.#switch('Camera', room.video.enabled, 'camera', 'cameraOff', () => room.video.toggle()),
      ...(canShare
        ? [this.#switch('Share your screen', isSharing, 'screen', 'screen', () => (isSharing ? room.screen.stop() : room.screen.share()))]
        : []),
      el('button', { class: 'control hang-up', type: 'button', 'aria-label': 'Leave the call', title: 'Leave the call', click: () => void this.leave() }, icon('leave')),
    ];
    this.#controls.replaceChildren(...controls.filter((control) => control !== false));
  }

  #switch(label: string, isOn: boolean, on: IconName, off: IconName, toggle: () => Promise<unknown>): HTMLElement {
    const press = async (): Promise<void> => {
      await toggle().catch(() => undefined); // refused by the user or the system: it stays as it was
      const room = this.#room;
      if (room === undefined) return;
      this.#tile(room.self).update(room.self);
      this.#drawControls();
      this.#controls.querySelector<HTMLElement>(`[aria-label="${label}"]`)?.focus();
    };
    const attributes = { class: 'control', type: 'button', 'aria-label': label, 'aria-pressed': String(isOn), title: label };
    return el('button', { ...attributes, click: () => void press() }, icon(isOn ? on : off));
  }
}
