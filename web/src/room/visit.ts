/** Standing before a room: the server says what it is, and lets in who may. */

/** The room, before one is in it. */
export interface RoomFacts {
  name: string;
  /** How many are in it now. */
  people: number;
  audio: boolean;
  video: boolean;
  /** By the server, while somebody sends. */
  recorded: boolean;
}

export interface Visit {
  room: RoomFacts;
  /** By which the app of the room knows the visitor, who then cannot choose one. */
  user_name: string | null;
  /** Opens the socket for this room; null without a name. */
  connection_token: string | null;
}

/** A visitor of this tab: a reload does not ask again. */
export interface Known {
  name: string;
  connection_token: string;
}

/** Why one cannot come in; the message is for people. */
export class VisitError extends Error {
  /** `not_found`, `ended`, `not_invited`, `link_refused`, `link_expired`, … */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Room of the address: `/rooms/{id}`. */
export function roomOfAddress(): string {
  return decodeURIComponent(/^\/rooms\/([^/]+)\/?$/.exec(location.pathname)?.[1] ?? '');
}

/** Token of the room. It is in the fragment, which browsers send to nobody: no log has it. */
export function tokenOfAddress(): string | undefined {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
}

/** Ask what the room is; with a name, ask to be let in. */
export async function visit(roomId: string, shown: { token?: string | undefined } & Partial<Known>): Promise<Visit> {
  const response = await fetch(`/rooms/${encodeURIComponent(roomId)}/visit`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(shown),
    signal: AbortSignal.timeout(15_000),
  }).catch(() => {
    throw new VisitError('unreachable', 'The server does not answer.');
  });
  const body = (await response.json().catch(() => null)) as (Visit & { error?: { code: string; message: string } }) | null;
  if (!response.ok || body === null) {
    const { code = 'internal_error', message = `The server answered with status ${response.status}.` } = body?.error ?? {};
    throw new VisitError(code, message);
  }
  return body;
}

const keyOf = (roomId: string): string => `parley-call ${roomId}`;

/** Who sits in this tab, if somebody came in before. */
export function knownVisitor(roomId: string): Known | undefined {
  const kept = sessionStorage.getItem(keyOf(roomId));
  return kept === null ? undefined : (JSON.parse(kept) as Known);
}

/** Remember who sits here, until the tab is closed. */
export function keepVisitor(roomId: string, known: Known): void {
  sessionStorage.setItem(keyOf(roomId), JSON.stringify(known));
}
