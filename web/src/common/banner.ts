/** Tells when the connection is gone, and when it is back. */
import type { Realtime } from 'parley-js';
import { el } from './dom';

const BACK_MS = 2_500;

export function connectionBanner(realtime: Realtime): HTMLElement {
  const text = el('span', {});
  const again = el('button', { class: 'button', type: 'button', click: () => void realtime.reconnect().catch(() => undefined) }, 'Try now');
  const banner = el('div', { class: 'banner', role: 'status' }, text, again);
  banner.hidden = true;
  let wasLost = false;
  let hiding = 0;
  const show = (state: 'lost' | 'ended' | 'back', words: string): void => {
    clearTimeout(hiding);
    banner.dataset.state = state;
    text.textContent = words;
    again.hidden = state === 'back';
    banner.hidden = false;
  };
  realtime.on('reconnecting', (_, delayMs) => {
    wasLost = true;
    const seconds = Math.round(delayMs / 1000);
    const when = seconds > 1 ? ` Next attempt in ${seconds} seconds.` : '';
    show('lost', `Connection lost. Reconnecting…${when}`);
  });
  realtime.on('disconnected', (reason, { willReconnect }) => {
    if (willReconnect) return;
    wasLost = true;
    show('ended', `Disconnected: ${reason}`);
  });
  realtime.on('connected', () => {
    if (!wasLost) return;
    wasLost = false;
    show('back', 'Back online. Nothing was missed.');
    hiding = window.setTimeout(() => (banner.hidden = true), BACK_MS);
  });
  return banner;
}
