/** Why a meeting could not be opened, in words of the state pages. */
import type { StateName } from './states';
import { readClaims } from './token';

export interface Diagnosis {
  state: StateName;
  /** What the server said, if it said anything. */
  detail?: string;
}

const BY_STATUS: Record<number, StateName> = { 401: 'invalid', 403: 'closed', 404: 'gone', 409: 'closed', 410: 'gone' };

/** Problems that can be seen before anything is asked of the server. */
export function checkHere(token: string | null): StateName | null {
  if (!token) return 'missing';
  if (!window.isSecureContext || !navigator.mediaDevices) return 'insecure';
  if (!('RTCPeerConnection' in window)) return 'unsupported';
  const claims = readClaims(token);
  if (!claims) return 'invalid';
  if (claims.exp !== undefined && claims.exp * 1000 <= Date.now()) return 'expired';
  return null;
}

/**
 * Ask the server again, after the SDK gave up with one of its few error codes: the status says more.
 * `code` is the SDK's, shown when the server finds nothing wrong.
 */
export async function diagnose(token: string, code: string | undefined): Promise<Diagnosis> {
  let response: Response;
  try {
    response = await fetch('/v2/internals/participant-details', {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(8_000),
    });
  } catch {
    return { state: 'offline' };
  }
  if (response.ok) return { state: 'unavailable', ...(code && { detail: `Error ${code}` }) };
  const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null;
  const said = body?.error?.message;
  return { state: BY_STATUS[response.status] ?? 'unavailable', ...(said && { detail: said }) };
}
