/** Text whose web addresses can be clicked; nothing in it is ever parsed as HTML. */
import { el } from '../common/dom';

const ADDRESS = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

export function withLinks(text: string): (string | HTMLElement)[] {
  const parts: (string | HTMLElement)[] = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, found.index));
    parts.push(el('a', { href: found[0], target: '_blank', rel: 'noopener noreferrer nofollow' }, found[0]));
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}
