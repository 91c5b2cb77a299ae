/** A person's picture: initials on a colour that is always the same for the same user. */
import { el } from './dom';

const HUES = [212, 262, 330, 12, 34, 152, 178, 290];

/** Decorative: names are always beside it. */
export function avatar(userId: string, name: string, status?: string): HTMLElement {
  let hash = 0;
  for (const letter of userId) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  const picture = el('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(name));
  picture.style.setProperty('--hue', String(HUES[hash % HUES.length]));
  if (status !== undefined) picture.append(el('i', { class: `dot ${statusClass(status)}` }));
  return picture;
}

/** The class of a status, among those that have a colour. */
export function statusClass(status: string): string {
  return status === 'away' || status === 'busy' || status === 'dnd' ? status : 'online';
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? '')][0] ?? '');
  return letters.join('').toUpperCase() || '?';
}
