/** What to do after a connection was closed. */
export interface Advice {
  /** Whether to connect again; if not, the same attempt would end the same way. */
  again: boolean;
  /** Without waiting, the first time. */
  atOnce?: boolean;
  /** Wait this long at least, in milliseconds. */
  atLeast?: number;
  /** Only with a new token. */
  newToken?: boolean;
  /** A frame was too big: do not send it again. */
  tooBig?: boolean;
  /** For people. */
  meaning: string;
}

const ADVICE: Record<number, Advice> = {
  1000: { again: false, meaning: 'the conversation is over' },
  1001: { again: true, meaning: 'the server goes away' },
  1002: { again: false, meaning: 'the WebSocket protocol was broken' },
  1005: { again: true, meaning: 'closed without a reason' },
  1006: { again: true, meaning: 'the connection broke' },
  1009: { again: true, tooBig: true, meaning: 'a frame was too big' },
  1011: { again: true, meaning: 'something went wrong on the server' },
  1012: { again: true, meaning: 'the server restarts' },
  4400: { again: false, meaning: 'a frame was not what the protocol allows' },
  4401: { again: true, atOnce: true, newToken: true, meaning: 'the token is invalid or has expired' },
  4403: { again: false, meaning: 'the app is disabled or the user is banned' },
  4408: { again: true, meaning: 'no opening message in time, or silent for too long' },
  4409: { again: false, meaning: 'a newer connection took the session over' },
  4429: { again: true, atLeast: 5_000, meaning: 'too many connections' },
  4500: { again: true, meaning: 'the connection could not be set up' },
  4503: { again: true, atOnce: true, meaning: 'the server drains, or this client read too slowly' },
};

/** Codes that are not in the table: registered ones are somebody's passing trouble, own ones are decisions. */
export function adviceFor(code: number): Advice {
  return ADVICE[code] ?? { again: code < 4000, meaning: `closed with code ${code}` };
}
