/** Making a room for a call, over REST. */
import type { Visitor } from './visitor';

const LIMIT = 8;

/** Make a room that any visitor of the demo may join. Rejects with a sentence for people. */
export async function createRoom(visitor: Visitor, name: string): Promise<string> {
  const attributes = { name, max_participants: LIMIT };
  const response = await fetch('/v1/realtime/webrtc/rooms', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/vnd.api+json',
      'X-Api-Key': visitor.api_key,
      Authorization: `Bearer ${visitor.user_token}`,
    },
    body: JSON.stringify({ data: { type: 'webrtc_rooms', attributes } }),
    signal: AbortSignal.timeout(15_000),
  });
  const body = (await response.json().catch(() => null)) as {
    data?: { id: string };
    errors?: { detail?: string; title?: string }[];
  } | null;
  if (response.ok && body?.data !== undefined) return body.data.id;
  const [error] = body?.errors ?? [];
  throw new Error(error?.detail ?? error?.title ?? `The call could not be started (status ${response.status}).`);
}
