/** Who sits here: the visitor's name and tokens, kept for this tab only, so that another tab can be another person. */

export interface Visitor {
  user: { id: string; name: string };
  api_key: string;
  user_token: string;
  connection_token: string;
}

const KEY = 'parley-visitor';

/** The visitor of this tab, if there is one; tokens are asked for anew. */
export function knownVisitor(): Visitor | undefined {
  const kept = sessionStorage.getItem(KEY);
  return kept === null ? undefined : (JSON.parse(kept) as Visitor);
}

/** Ask to be let in; whoever was here before stays the same user. Rejects with a sentence for people. */
export async function enter(name: string, space: string | undefined): Promise<Visitor> {
  const user_token = knownVisitor()?.user_token;
  const response = await fetch('/start/chat', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name, space, user_token }),
    signal: AbortSignal.timeout(15_000),
  }).catch(() => {
    throw new Error('The server does not answer. Is it still running?');
  });
  const body = (await response.json().catch(() => null)) as (Visitor & { error?: { message: string } }) | null;
  if (!response.ok || body === null) {
    throw new Error(body?.error?.message ?? `You could not be let in (status ${response.status}).`);
  }
  sessionStorage.setItem(KEY, JSON.stringify(body));
  return body;
}

/** Forget who sits here. */
export function leaveTab(): void {
  sessionStorage.removeItem(KEY);
}
