/** What is laid over the picture: sound, pause, the whole screen. It goes away while nobody moves. */
import { el } from '../common/dom';
import { icon, type IconName } from '../common/icons';

const IDLE_MS = 3_000;

/** iPhones give the whole screen to pictures only, under a name of their own. */
type PhoneVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

export function controls(stage: HTMLElement, video: PhoneVideo, play: () => Promise<void>): HTMLElement[] {
  const pause = button('pause', 'Pause', () => (video.paused ? void play() : video.pause()));
  const sound = button('sound', 'Turn the sound off', () => (video.muted = !video.muted));
  const volume = el('input', { class: 'volume', type: 'range', min: '0', max: '1', step: '0.05', 'aria-label': 'Volume', input: () => setVolume() });
  const full = button('full', 'Whole screen', () => toggleFull());
  const unmute = el('button', { class: 'unmute', type: 'button', click: () => (video.muted = false) }, icon('soundOff'), 'Turn the sound on');
  const start = el('button', { class: 'start', type: 'button', 'aria-label': 'Play', click: () => void play() }, icon('play'));
  const bar = el('div', { class: 'bar' }, pause, sound, volume, el('span', { class: 'gap' }), full);

  function setVolume(): void {
    video.volume = Number(volume.value);
    video.muted = video.volume === 0;
  }
  function toggleFull(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (stage.requestFullscreen) void stage.requestFullscreen();
    else video.webkitEnterFullscreen?.();
  }
  function draw(): void {
    show(pause, video.paused ? 'play' : 'pause', video.paused ? 'Play' : 'Pause');
    show(sound, video.muted ? 'soundOff' : 'sound', video.muted ? 'Turn the sound on' : 'Turn the sound off');
    show(full, document.fullscreenElement ? 'small' : 'full', document.fullscreenElement ? 'Leave the whole screen' : 'Whole screen');
    volume.value = String(video.muted ? 0 : video.volume);
    volume.style.setProperty('--share', `${Number(volume.value) * 100}%`);
    unmute.hidden = !video.muted || video.paused;
    start.hidden = !video.paused;
    stage.toggleAttribute('data-paused', video.paused);
  }

  let idle = 0;
  function awake(): void {
    stage.removeAttribute('data-idle');
    clearTimeout(idle);
    idle = window.setTimeout(() => stage.toggleAttribute('data-idle', !video.paused && !stage.querySelector('.bar :focus-visible')), IDLE_MS);
  }
  for (const what of ['pointermove', 'pointerdown', 'keydown', 'focusin']) stage.addEventListener(what, awake);
  for (const what of ['play', 'pause', 'volumechange']) video.addEventListener(what, () => (draw(), awake()));
  document.addEventListener('fullscreenchange', draw);
  video.addEventListener('pointerup', (event) => {
    if (event.pointerType === 'mouse' && event.button === 0) pause.click(); // a finger only wakes the controls
  });
  video.addEventListener('dblclick', toggleFull);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof HTMLElement && event.target.matches('button, input'))) return;
    const meant = { ' ': pause, k: pause, m: sound, f: full }[event.key];
    if (!meant || stage.dataset.state !== 'live') return;
    event.preventDefault();
    awake();
    meant.click();
  });
  draw();
  awake();
  return [bar, unmute, start];
}

function button(name: IconName, label: string, click: () => void): HTMLButtonElement {
  const made = el('button', { type: 'button', click });
  show(made, name, label);
  return made;
}

function show(made: HTMLButtonElement, name: IconName, label: string): void {
  if (made.title === label) return;
  made.title = label;
  made.setAttribute('aria-label', label);
  made.replaceChildren(icon(name));
}
