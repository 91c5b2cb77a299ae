/** Page of a live stream: plays it while it is on, and says how it stands while it is not. */
import './watch.css';
import { byId, el } from '../common/dom';
import { icon } from '../common/icons';
import { controls } from './controls';
import { Player } from './player';
import { type Standing, standingOf } from './standing';

const AGAIN_MS = 3_000;
/** While it plays only the number of viewers is asked for. */
const COUNT_MS = 5_000;
const WORDS: Record<Exclude<Standing['state'], 'live'>, [title: string, hint: string]> = {
  waiting: ['The stream has not begun yet', 'It begins here by itself.'],
  ended: ['The stream has ended', 'Should it go on, it begins here by itself.'],
  interrupted: ['The stream was interrupted', 'Should it go on, it begins here by itself.'],
  unknown: ['There is no such stream', 'Check the address: a part of it may be missing.'],
  away: ['The stream cannot be reached', 'Trying again…'],
};

const id = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const base = `/hls/${encodeURIComponent(id)}`;

const video = el('video', { playsinline: '', autoplay: '' });
const viewers = el('span', { class: 'viewers' });
const title = el('h1');
const hint = el('p');
const sign = el('span', { class: 'sign' }, icon('onAir'));
const brand = el('span', { class: 'brand' }, el('img', { src: '/favicon.svg', alt: '', width: '22', height: '22' }), 'Parley');
const stage = el('main', { class: 'watch' });
const player = new Player(video, () => void look());
stage.append(
  video,
  el('span', { class: 'spinner', role: 'img', 'aria-label': 'Loading' }),
  el('header', { class: 'top' }, el('span', { class: 'live' }, 'LIVE'), viewers),
  el('section', { class: 'notice', role: 'status' }, sign, title, hint),
  ...controls(stage, video, () => player.play()),
  el('footer', {}, brand),
);
byId('app').replaceChildren(stage);
for (const [what, isLoading] of [['waiting', true], ['canplay', false], ['playing', false]] as const) {
  video.addEventListener(what, () => stage.toggleAttribute('data-loading', isLoading));
}

let next = 0;
/** It has ended, and its last seconds are still played. */
let isEnding = false;

/** Ask how it stands, do what follows, and ask again after a while. */
async function look(): Promise<void> {
  clearTimeout(next);
  const standing = await standingOf(base);
  clearTimeout(next);
  const wasEnding = isEnding;
  isEnding = player.isOn && standing.state !== 'live' && standing.state !== 'away';
  if (isEnding && (wasEnding || video.paused)) return player.stop(); // and looks again
  if (player.isOn) count(standing);
  else show(standing);
  if (standing.state !== 'unknown') next = window.setTimeout(() => void look(), player.isOn ? COUNT_MS : AGAIN_MS);
}

function show(standing: Standing): void {
  const { state, name } = standing;
  stage.dataset.state = state;
  document.title = `${name || 'Live'} · Parley`;
  if (state === 'live') {
    count(standing);
    stage.toggleAttribute('data-loading', true);
    player.start(`${base}/index.m3u8`);
  } else {
    [title.textContent, hint.textContent] = WORDS[state];
  }
}

function count({ viewers: number }: Standing): void {
  if (number === undefined) return;
  viewers.hidden = number < 1;
  viewers.title = number === 1 ? 'One viewer' : `${number} viewers`;
  viewers.replaceChildren(icon('eye'), String(number));
}

void look();
