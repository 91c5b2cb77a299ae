const CAP_MS = 30_000;
const JITTER = 0.25;

/**
 * Milliseconds to wait before an attempt: doubled each time up to 30 s, then ±25 %.
 *
 * @param attempt counted from 1
 * @param base of the first attempt, in milliseconds
 * @param random 0 to 1
 */
export function backoff(attempt: number, base: number, random: number = Math.random()): number {
  const wait = Math.min(base * 2 ** (attempt - 1), CAP_MS);
  return wait * (1 - JITTER + 2 * JITTER * random);
}
