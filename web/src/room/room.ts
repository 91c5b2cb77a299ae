/** Page of a room: a call, for whoever has its link. */
import '../common/parts.css';
import '../call/call.css';
import { createClient } from 'parley-js';
import { byId, el } from '../common/dom';
import { askName, notice } from '../common/welcome';
import { callPage } from './page';
import { keepVisitor, type Known, knownVisitor, type RoomFacts, roomOfAddress, tokenOfAddress, VisitError, visit } from './visit';

const app = byId('app');
const roomId = roomOfAddress();
const token = tokenOfAddress();

/** What people are told of the server's refusals. */
const REASONS: Record<string, [title: string, text: string]> = {
  not_found: ['There is no such call', 'Check the link: a part of it may be missing.'],
  ended: ['This call has ended', 'It was closed for everybody who was in it.'],
  not_invited: ['You need an invitation', 'This call is for people who were invited. Open it where you were invited to it, or with the whole of the link that you were sent.'],
  link_refused: ['This link does not work', 'A part of it may be missing or wrong. Copy it again, or ask for another one.'],
  link_expired: ['This link has expired', 'Links to calls are valid for two hours. Ask for a new one where you were invited.'],
};

async function open(): Promise<void> {
  try {
    const known = knownVisitor(roomId);
    const seen = await visit(roomId, { token, ...known });
    document.title = `${seen.room.name} · Parley`;
    if (known !== undefined) await comeIn(known.name, seen.room);
    else await askName(app, questionOf(seen.room, seen.user_name ?? undefined), (name) => comeIn(name, seen.room));
  } catch (error) {
    refuse(error);
  }
}

function questionOf({ name, people, audio, video, recorded }: RoomFacts, knownName: string | undefined): Parameters<typeof askName>[1] {
  const there = people === 0 ? 'Nobody is in the call yet.' : `${people === 1 ? 'One person is' : `${people} people are`} in the call.`;
  const devices = [audio && 'microphone', video && 'camera'].filter(Boolean).join(' and ');
  const hint = devices ? [`Your browser will ask for your ${devices}; you can join without.`] : [];
  const warning = recorded ? ['This call is recorded.'] : [];
  return { title: name, about: [there, ...hint, ...warning], action: 'Join the call', name: knownName };
}

/** Be let in under a name, connect and join. */
async function comeIn(name: string, room: RoomFacts): Promise<void> {
  const known: Known = { name, connection_token: '' };
  const renew = async (): Promise<string> => {
    const earlier = known.connection_token || knownVisitor(roomId)?.connection_token;
    const { connection_token, user_name } = await visit(roomId, { token, name, ...(earlier && { connection_token: earlier }) });
    if (connection_token === null) throw new VisitError('internal_error', 'The server did not let you in.');
    Object.assign(known, { connection_token, name: user_name ?? name });
    keepVisitor(roomId, known);
    return connection_token;
  };
  await renew();
  // The connection's token says everything; there is no API key of the room's app here.
  const client = createClient({ url: location.origin, apiKey: '' });
  await client.realtime.connect({
    token: known.connection_token,
    refreshToken: renew,
    options: { maxReconnectAttempts: Number.POSITIVE_INFINITY, reconnectDelay: 500 },
  });
  app.replaceChildren(callPage(client, known.name, roomId, room)); // a call is joined over the socket
}

function refuse(error: unknown): void {
  const reason = error instanceof VisitError ? REASONS[error.code] : undefined;
  if (reason !== undefined) {
    notice(app, ...reason);
    return;
  }
  const again = el('button', { class: 'button primary', type: 'button', click: () => location.reload() }, 'Try again');
  notice(app, 'The call cannot be reached', error instanceof Error ? error.message : String(error), again);
}

// Another link to the same room, opened in this tab.
window.addEventListener('hashchange', () => {
  sessionStorage.clear();
  location.reload();
});
void open();
