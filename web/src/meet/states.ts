/** Pages for everything that is not a running meeting. */
import { el } from '../common/dom';
import { icon, type IconName } from './icons';

export type StateName =
  | 'missing'
  | 'invalid'
  | 'expired'
  | 'gone'
  | 'closed'
  | 'unavailable'
  | 'offline'
  | 'insecure'
  | 'unsupported'
  | 'left'
  | 'ended'
  | 'kicked'
  | 'rejected'
  | 'lost';

type Action = 'rejoin' | 'retry' | 'ask' | 'help';

interface State {
  icon: IconName;
  title: string;
  text: string;
  actions: Action[];
}

const STATES: Record<StateName, State> = {
  missing: {
    icon: 'link',
    title: 'This link is incomplete',
    text: 'A join link carries a personal key after “#”. It may have been cut off when it was copied: open the whole link, or ask for a new one.',
    actions: [],
  },
  invalid: {
    icon: 'link',
    title: 'This link does not work',
    text: 'The server does not accept it. It may be mistyped, withdrawn, or made for another server. Ask the person who invited you for a new one.',
    actions: [],
  },
  expired: {
    icon: 'clock',
    title: 'This link has expired',
    text: 'Join links are valid for a limited time. Ask the person who invited you for a new one.',
    actions: [],
  },
  gone: {
    icon: 'link',
    title: 'This meeting does not exist',
    text: 'It may have been deleted, or you are no longer invited.',
    actions: [],
  },
  closed: {
    icon: 'lock',
    title: 'This meeting is not open',
    text: 'Nobody can join at the moment. If it is planned for later, try again then.',
    actions: ['retry'],
  },
  unavailable: {
    icon: 'server',
    title: 'The meeting server is not available',
    text: 'The server or its media engine is starting, busy or out of order. Nothing is wrong on your side; try again in a moment.',
    actions: ['retry', 'help'],
  },
  offline: {
    icon: 'plug',
    title: 'The server cannot be reached',
    text: 'Check your network connection, then try again.',
    actions: ['retry', 'help'],
  },
  insecure: {
    icon: 'lock',
    title: 'This page needs https',
    text: 'Browsers give camera and microphone to secure pages only. Open the meeting through its https address, or through “localhost” on the computer that runs Parley.',
    actions: ['help'],
  },
  unsupported: {
    icon: 'window',
    title: 'This browser cannot hold a meeting',
    text: 'It lacks WebRTC, or it is switched off. A current Chrome, Edge, Firefox or Safari works.',
    actions: ['help'],
  },
  left: {
    icon: 'wave',
    title: 'You left the meeting',
    text: 'Closed this by mistake? You can come back with the same link.',
    actions: ['rejoin'],
  },
  ended: {
    icon: 'wave',
    title: 'The meeting has ended',
    text: 'It was closed for everybody. Thank you for taking part.',
    actions: ['rejoin'],
  },
  kicked: {
    icon: 'lock',
    title: 'You were removed from the meeting',
    text: 'Somebody who runs this meeting has taken you out of it.',
    actions: [],
  },
  rejected: {
    icon: 'lock',
    title: 'You were not admitted',
    text: 'The host did not let you in from the waiting room.',
    actions: ['ask'],
  },
  lost: {
    icon: 'plug',
    title: 'The connection was lost',
    text: 'Reconnecting did not work. Check your network connection, then rejoin.',
    actions: ['rejoin', 'help'],
  },
};

const reload = (): void => location.reload();

function button(action: Action, primary: boolean): HTMLElement {
  const look = primary ? 'button primary' : 'button';
  if (action === 'help') return el('a', { class: look, href: '/meet/help', target: '_blank' }, 'Check this device');
  const words = { rejoin: 'Rejoin', retry: 'Try again', ask: 'Ask again' }[action];
  return el('button', { class: look, type: 'button', click: reload }, words);
}

/** Show a state page in place of the meeting; `detail` is a short technical line below it. */
export function showState(stage: HTMLElement, name: StateName, detail?: string): void {
  const state = STATES[name];
  document.title = `${state.title} · Parley`;
  const buttons = state.actions.map((action, index) => button(action, index === 0));
  stage.replaceChildren(
    el(
      'main',
      { class: 'state', 'data-state': name },
      el('div', { class: 'badge' }, icon(state.icon)),
      el('h1', {}, state.title),
      el('p', {}, state.text),
      el(
        'div',
        { class: 'actions' },
        ...buttons,
        el('a', { class: buttons.length ? 'button' : 'button primary', href: '/' }, 'Back to start'),
      ),
      detail && el('p', { class: 'detail' }, detail),
    ),
  );
}
