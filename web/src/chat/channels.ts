/** The list of channels, with what is unread in each. */
import { el } from '../common/dom';
import { icon } from '../common/icons';
import type { Thread } from './thread';

/** Its buttons stay the same elements, so that none loses the focus when a message arrives. */
export class ChannelList {
  readonly #items: { thread: Thread; button: HTMLElement; badge: HTMLElement }[];
  readonly element: HTMLElement;

  constructor(threads: Thread[], open: (thread: Thread) => void) {
    this.#items = threads.map((thread) => {
      const badge = el('b', { class: 'badge' });
      const button = el('button', { type: 'button', click: () => open(thread) }, icon('hash'), el('span', {}, thread.title), badge);
      return { thread, button, badge };
    });
    const rows = this.#items.map(({ thread, button }) => el('li', { 'data-channel': thread.title }, button));
    this.element = el('ul', { class: 'channels' }, ...rows);
  }

  draw(active: Thread): void {
    for (const { thread, button, badge } of this.#items) {
      const isActive = thread === active;
      if (isActive) button.setAttribute('aria-current', 'page');
      else button.removeAttribute('aria-current');
      const unread = isActive ? 0 : thread.unread;
      button.classList.toggle('unread', unread > 0);
      badge.hidden = unread === 0;
      badge.textContent = unread > 99 ? '99+' : String(unread);
      badge.setAttribute('aria-label', `${unread} unread`);
    }
  }
}
