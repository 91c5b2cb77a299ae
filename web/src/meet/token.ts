/** The participant token: where it is kept in the address, and what it says about itself. */

/**
 * Take the token out of the page address.
 *
 * It lives in the fragment (`#token=…`), which browsers send to no server, so it stays out of access logs.
 * `?authToken=` and `?token=` are accepted too and moved into the fragment.
 */
export function takeToken(): string | null {
  const url = new URL(location.href);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const fromQuery = url.searchParams.get('authToken') ?? url.searchParams.get('token');
  if (fromQuery) {
    url.searchParams.delete('authToken');
    url.searchParams.delete('token');
    fragment.set('token', fromQuery);
    url.hash = fragment.toString();
    history.replaceState(null, '', url);
  }
  return fragment.get('token') ?? fragment.get('authToken');
}

/** What a token claims. Only the server checks the signature. */
export interface Claims {
  meetingId: string;
  /** Expiry, seconds since 1970. */
  exp?: number;
}

/** Read the claims, or `null` when this is no participant token. */
export function readClaims(token: string): Claims | null {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims = JSON.parse(atob(payload)) as Partial<Claims>;
    if (typeof claims.meetingId !== 'string') return null;
    return typeof claims.exp === 'number'
      ? { meetingId: claims.meetingId, exp: claims.exp }
      : { meetingId: claims.meetingId };
  } catch {
    return null;
  }
}
