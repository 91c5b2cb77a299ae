/** What the page's address says: a room of calls (`/rooms/{id}`), or a space of channels (`/chat#space=…`). */

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const SPACE = /^[a-z0-9]{10,40}$/;

/** Room of the address, if it names one. */
export function roomOfAddress(): string | undefined {
  const found = /^\/rooms\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  return found === undefined ? undefined : decodeURIComponent(found);
}

/** Token of the room, which the fragment may hold. */
export function roomTokenOfAddress(): string | undefined {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
}

/** Space of the address; a new one, which the address then names, if it names none. Its id is all that protects it. */
export function spaceOfAddress(): string {
  const named = new URLSearchParams(location.hash.slice(1)).get('space') ?? '';
  if (SPACE.test(named)) return named;
  const random = crypto.getRandomValues(new Uint8Array(20));
  const space = Array.from(random, (byte) => LETTERS[byte % LETTERS.length]).join('');
  history.replaceState(null, '', `/chat#space=${space}`);
  return space;
}
