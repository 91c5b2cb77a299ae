/** The page of one room: nothing but a call. */
import type { Client } from 'parley-js';
import { el } from '../common/dom';
import { connectionBanner } from './banner';
import { CallView } from './call';
import type { Visitor } from './visitor';

/** Join the room of the address, and offer to come back after it. */
export function roomPage(client: Client, visitor: Visitor, roomId: string, token: string | undefined): HTMLElement {
  const error = el('p', { class: 'error', role: 'alert' });
  const again = el('button', { class: 'button primary', type: 'button', click: () => void join() }, 'Join again');
  const outside = el('section', { class: 'panel' }, el('h1', {}, 'You are not in the call'), error, again);
  const call = new CallView(client.realtime.webrtc, visitor, () => (outside.hidden = call.isOpen));
  const join = async (): Promise<void> => {
    error.textContent = '';
    outside.hidden = true;
    try {
      await call.join(roomId, token);
    } catch (reason) {
      error.textContent = reason instanceof Error ? reason.message : String(reason);
      outside.hidden = false;
    }
  };
  void join();
  return el('main', { class: 'room-page' }, connectionBanner(client.realtime), call.element, outside);
}
