/** How a stream stands, as the server tells everybody who has its address. */
export interface Standing {
  /** Of the server's: not begun, on, over, or over because it could not go on; `unknown` and `away` are ours. */
  state: 'waiting' | 'live' | 'ended' | 'interrupted' | 'unknown' | 'away';
  name?: string | null;
  viewers?: number;
}

const AWAY: Standing = { state: 'away' };

/** Ask the server; never rejects. */
export async function standingOf(base: string): Promise<Standing> {
  try {
    const answer = await fetch(`${base}/status`, { cache: 'no-store' });
    if (answer.status === 404) return { state: 'unknown' };
    return answer.ok ? ((await answer.json()) as Standing) : AWAY;
  } catch {
    return AWAY;
  }
}
