/** The page of one room: nothing but a call. */
import type { Client } from 'parley-js';
import { CallView } from '../call/call';
import { connectionBanner } from '../common/banner';
import { el } from '../common/dom';
import type { RoomFacts } from './visit';

const TITLES = { left: 'You left the call', closed: 'This call has ended', lost: 'You are not in the call' };

/** Join the room, and offer to come back after it. */
export function callPage(client: Client, name: string, roomId: string, room: RoomFacts): HTMLElement {
  const people = el('span', { role: 'status' });
  const title = el('h1', {});
  const error = el('p', { class: 'error', role: 'alert' });
  const again = el('button', { class: 'button primary', type: 'button', click: () => void join() }, 'Join again');
  const hint = el('p', {}, 'You can close this page.');
  const outside = el('section', { class: 'panel' }, title, hint, error, again);
  const draw = (): void => {
    outside.hidden = call.isOpen;
    page.classList.toggle('outside', !call.isOpen);
    hint.hidden = error.textContent !== '';
    title.textContent = TITLES[call.end ?? 'lost'];
    again.hidden = call.end === 'closed';
    people.textContent = call.people === 0 ? '' : call.people === 1 ? 'Only you are here' : `${call.people} people`;
  };
  const call = new CallView(client.realtime.webrtc, name, draw, room);
  const join = async (): Promise<void> => {
    error.textContent = '';
    try {
      await call.join(roomId);
    } catch (reason) {
      error.textContent = reason instanceof Error ? reason.message : String(reason);
    }
    draw();
  };
  const header = el('header', {}, el('img', { src: '/favicon.svg', alt: '', width: '26', height: '26' }), el('b', {}, room.name), ...(room.recorded ? [el('span', { class: 'recorded' }, 'This call is recorded')] : []), people);
  const page = el('main', { class: 'room-page' }, connectionBanner(client.realtime), header, call.element, outside);
  void join();
  return page;
}
