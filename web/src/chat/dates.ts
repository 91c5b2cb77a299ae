/** Times as people read them, in the browser's language. */

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const DAY_MS = 86_400_000;

export const timeOf = (at: Date): string => TIME.format(at);
export const fullTimeOf = (at: Date): string => FULL.format(at);

/** "Today", "Yesterday", or the date. */
export function dayOf(at: Date, now: Date = new Date()): string {
  const midnight = (date: Date): number => new Date(date).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  if (days === 0) return 'Today';
  return days === 1 ? 'Yesterday' : DAY.format(at);
}
