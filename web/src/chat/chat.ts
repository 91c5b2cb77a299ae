/** Chat page: a space of channels with calls, built on the client library like any application would be. */
import './chat.css';
import './messages.css';
import './call.css';
import { type Client, createClient } from 'parley-js';
import { readContext } from '../common/context';
import { byId } from '../common/dom';
import { roomOfAddress, roomTokenOfAddress, spaceOfAddress } from './place';
import { roomPage } from './roompage';
import { enter, knownVisitor, type Visitor } from './visitor';
import { notice, welcome } from './welcome';
import { Workspace } from './workspace';

const app = byId('app');

async function open(): Promise<void> {
  if (!readContext().demo) {
    notice(app, 'The demo is switched off here', 'Applications on this server have chat rooms and calls of their own.');
    return;
  }
  const roomId = roomOfAddress();
  const space = roomId === undefined ? spaceOfAddress() : undefined;
  const [lead, action] = roomId === undefined ? ['Join the chat', 'Join the chat'] : ['Join the call', 'Join the call'];
  const known = knownVisitor()?.user.name;
  const ask = (): Promise<Visitor> => welcome(app, lead, action, (name) => enter(name, space));
  const visitor = await (known === undefined ? ask() : enter(known, space).catch(ask));
  const client = createClient({ url: location.origin, apiKey: visitor.api_key, userToken: () => visitor.user_token });
  const connected = connect(client, visitor, space);
  if (space !== undefined) {
    app.replaceChildren(new Workspace(client, visitor, space).element);
    return;
  }
  document.title = 'Call · Parley';
  await connected; // a call is joined over the socket
  app.replaceChildren(roomPage(client, visitor, roomId ?? '', roomTokenOfAddress()));
}

/** Connect, and stay connected for as long as the page is open. */
function connect(client: Client, visitor: Visitor, space: string | undefined): Promise<unknown> {
  return client.realtime.connect({
    token: visitor.connection_token,
    refreshToken: async () => Object.assign(visitor, await enter(visitor.user.name, space)).connection_token,
    options: { maxReconnectAttempts: Number.POSITIVE_INFINITY, reconnectDelay: 500 },
  });
}

// A link to another space, opened in this tab.
window.addEventListener('hashchange', () => location.reload());
void open();
