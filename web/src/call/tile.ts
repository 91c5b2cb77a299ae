/** One picture of a call. */
import type { Participant } from 'parley-js';
import { el } from '../common/dom';
import { avatar } from '../common/avatar';
import { icon } from '../common/icons';

export class Tile {
  readonly #video = el('video', { autoplay: '', playsinline: '' });
  readonly #muted = el('span', { class: 'muted', role: 'img', 'aria-label': 'Microphone off' }, icon('micOff'));
  readonly #picture: HTMLElement;
  readonly #kind: 'self' | 'camera' | 'screen';
  readonly element: HTMLElement;

  constructor(participant: Participant, kind: 'self' | 'camera' | 'screen') {
    this.#kind = kind;
    this.#video.muted = kind === 'self';
    const { user_data, user_id } = participant;
    const name = typeof user_data.name === 'string' ? user_data.name.slice(0, 60) : participant.name;
    this.#picture = avatar(user_id, name);
    const label = { self: 'You', camera: name, screen: `${name}’s screen` }[kind];
    this.element = el(
      'figure',
      { class: `tile ${kind}`, 'data-participant': participant.id },
      this.#picture,
      this.#video,
      el('figcaption', {}, this.#muted, el('span', {}, label)),
    );
    this.update(participant);
  }

  setStream(stream: MediaStream): void {
    if (this.#video.srcObject !== stream) this.#video.srcObject = stream;
    // Browsers may want a click first; the page was clicked to get here.
    this.#video.play().catch(() => undefined);
  }

  /** Show what is on and off. */
  update({ audio, video }: Participant): void {
    const hasPicture = this.#kind === 'screen' || video;
    this.#video.classList.toggle('off', !hasPicture); // its sound goes on
    this.#picture.hidden = hasPicture;
    this.#muted.hidden = this.#kind === 'screen' || audio;
  }
}
