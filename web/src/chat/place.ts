/** What the page's address says: a space of channels (`/chat#space=…`). */

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const SPACE = /^[a-z0-9]{10,40}$/;

/** Space of the address; a new one, which the address then names, if it names none. Its id is all that protects it. */
export function spaceOfAddress(): string {
  const named = new URLSearchParams(location.hash.slice(1)).get('space') ?? '';
  if (SPACE.test(named)) return named;
  const random = crypto.getRandomValues(new Uint8Array(20));
  const space = Array.from(random, (byte) => LETTERS[byte % LETTERS.length]).join('');
  history.replaceState(null, '', `/chat#space=${space}`);
  return space;
}
