/** Page of a live stream: plays it as close to the present as segments allow, and waits for one that is not on. */
import './watch.css';
import Hls from 'hls.js/light';
import { byId, el } from '../common/dom';

const AGAIN_MS = 3_000;
/** Segments to stay behind; more is safer, less is nearer. */
const BEHIND = 2;

const id = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const url = `/hls/${encodeURIComponent(id)}/index.m3u8`;

const video = el('video', { playsinline: '', autoplay: '', controls: '' });
const live = el('span', { class: 'live' }, 'LIVE');
const title = el('h1', {}, 'Waiting for the stream');
const hint = el('p', {}, 'It begins here by itself.');
const waiting = el('section', { class: 'waiting', role: 'status' }, title, hint);
const unmute = el('button', { class: 'button primary unmute', type: 'button', click: () => sound() }, 'Turn the sound on');
byId('app').replaceChildren(el('main', { class: 'watch' }, video, live, waiting, unmute));

let hls: Hls | undefined;
let hasPlayed = false;

function show(state: 'waiting' | 'playing'): void {
  const isPlaying = state === 'playing';
  video.hidden = live.hidden = !isPlaying;
  waiting.hidden = isPlaying;
  title.textContent = hasPlayed ? 'The stream has ended' : 'Waiting for the stream';
  hint.textContent = hasPlayed ? 'Should it go on, it begins here by itself.' : 'It begins here by itself.';
  unmute.hidden = !isPlaying || !video.muted;
}

function sound(): void {
  video.muted = false;
  unmute.hidden = true;
}

/** Browsers start pictures with sound only after a click; without sound they always do. */
async function play(): Promise<void> {
  try {
    await video.play();
  } catch {
    video.muted = true;
    await video.play().catch(() => undefined);
  }
  hasPlayed = true;
  show('playing');
}

function later(): void {
  hls?.destroy();
  hls = undefined;
  show('waiting');
  setTimeout(() => void begin(), AGAIN_MS);
}

/** Ask once in a while whether there is something to play: no player is needed for that. */
async function begin(): Promise<void> {
  const answer = await fetch(url, { cache: 'no-store' }).catch(() => undefined);
  if (!answer?.ok) return later();
  if (!Hls.isSupported()) {
    video.src = url; // Safari on phones plays it by itself
    video.onerror = video.onended = later;
    return play();
  }
  const player = (hls = new Hls({ liveSyncDurationCount: BEHIND, liveMaxLatencyDurationCount: BEHIND + 4, maxLiveSyncPlaybackRate: 1.1 }));
  player.on(Hls.Events.ERROR, (_, error) => error.fatal && hls === player && later());
  player.on(Hls.Events.MANIFEST_PARSED, () => void play());
  video.onended = () => later();
  player.loadSource(url);
  player.attachMedia(video);
}

show('waiting');
void begin();
