/** Meeting page: opens the meeting of the token in the address inside the official UI kit. */
import './meet.css';
import RealtimeKitClient, { type LeaveRoomState } from '@cloudflare/realtimekit';
import { defineCustomElements } from '@cloudflare/realtimekit-ui/loader';
import { byId, el } from '../common/dom';
import { checkHere, diagnose } from './diagnose';
import { showHelp } from './help';
import { showState, type StateName } from './states';
import { takeToken } from './token';

/**
 * Which page follows which way of leaving. "disconnected" is missing on purpose: the SDK reconnects by itself and
 * reports "failed" when it gives up; "connected-meeting" and "stageLeft" are no goodbyes.
 */
const AFTER_LEAVING: Partial<Record<LeaveRoomState, StateName>> = {
  left: 'left',
  ended: 'ended',
  kicked: 'kicked',
  rejected: 'rejected',
  failed: 'lost',
};

/** Longest wait between "Join" and being in the meeting or its waiting room. */
const JOIN_LIMIT_MS = 30_000;

const stage = byId('stage');

/** Show the state page that ends the meeting in this tab; the first one stays. */
function finish(page: StateName): void {
  if (!stage.querySelector('.state')) showState(stage, page);
}

/** Gives up when the media engine does not answer: the SDK would wait for ever. */
function limitJoining(meeting: RealtimeKitClient): void {
  const join = meeting.join.bind(meeting);
  let timer = 0;
  const arrived = (): void => clearTimeout(timer);
  meeting.self.on('roomJoined', arrived);
  meeting.self.on('waitlisted', arrived);
  meeting.self.on('roomLeft', arrived);
  meeting.join = async () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      finish('unavailable');
      void meeting.leave().catch(() => undefined); // lets go of camera and microphone
    }, JOIN_LIMIT_MS);
    try {
      await join();
    } catch (reason) {
      arrived();
      throw reason; // the kit shows it on the setup screen
    }
  };
}

/** Says so when the media path fails while the signalling goes on: the kit shows a silent, empty grid then. */
function watchMedia(meeting: RealtimeKitClient): void {
  const failed = new Set<string>();
  const banner = el(
    'div',
    { class: 'banner', role: 'alert' },
    'Audio and video cannot reach the server. A firewall may be in the way. ',
    el('a', { href: '/meet/help', target: '_blank' }, 'Check this device'),
  );
  meeting.meta.on('mediaConnectionUpdate', ({ transport, state }) => {
    if (state === 'failed') failed.add(transport);
    else if (state === 'connected') failed.delete(transport);
    if (failed.size > 0) stage.append(banner);
    else banner.remove();
  });
}

/** Lets buttons and fields inside the kit's components take their component's font; browsers give them their own. */
function inheritFonts(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('button, input, select, textarea { font-family: inherit; }');
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init: ShadowRootInit): ShadowRoot {
    const root = attach.call(this, init);
    root.adoptedStyleSheets = [sheet];
    return root;
  };
}

async function open(token: string): Promise<void> {
  stage.replaceChildren(el('div', { class: 'waiting', role: 'status' }, 'Opening the meeting…'));
  let meeting: RealtimeKitClient;
  try {
    meeting = await RealtimeKitClient.init({
      authToken: token,
      baseURI: location.host,
      overrides: { socket_server_base: `socket-edge.${location.host}` },
      defaults: { audio: true, video: true }, // as far as the preset allows; the setup screen shows both
    });
  } catch (reason) {
    const { state, detail } = await diagnose(token, (reason as { code?: string }).code);
    showState(stage, state, detail);
    return;
  }
  document.title = meeting.meta.meetingTitle || 'Meeting';
  meeting.self.on('roomLeft', ({ state }) => {
    const page = AFTER_LEAVING[state];
    if (page) finish(page);
  });
  limitJoining(meeting);
  watchMedia(meeting);
  inheritFonts();
  defineCustomElements(window);
  const element = document.createElement('rtk-meeting');
  element.showSetupScreen = true;
  element.meeting = meeting;
  stage.replaceChildren(element);
}

if (location.pathname === '/meet/help') {
  void showHelp(stage);
} else {
  const token = takeToken();
  const problem = checkHere(token);
  if (problem || !token) showState(stage, problem ?? 'missing');
  else void open(token);
  window.addEventListener('hashchange', () => location.reload()); // another link pasted into the same tab
}
