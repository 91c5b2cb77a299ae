/** Chat page: a space of channels with calls, built on the client library like any application would be. */
import './chat.css';
import './messages.css';
import '../call/call.css';
import { createClient } from 'parley-js';
import { readContext } from '../common/context';
import { byId } from '../common/dom';
import { askName, notice } from '../common/welcome';
import { spaceOfAddress } from './place';
import { enter, knownVisitor, type Visitor } from './visitor';
import { Workspace } from './workspace';

const app = byId('app');

async function open(): Promise<void> {
  if (!readContext().demo) {
    notice(app, 'The demo is switched off here', 'Applications on this server have chat rooms and calls of their own.');
    return;
  }
  const space = spaceOfAddress();
  const known = knownVisitor()?.user.name;
  const about = 'This is a demo: pick any name. Messages are kept for a day, and only people with the link can read them.';
  const ask = (): Promise<Visitor> =>
    askName(app, { title: 'Join the chat', about: [about], action: 'Join the chat' }, (name) => enter(name, space));
  const visitor = await (known === undefined ? ask() : enter(known, space).catch(ask));
  const client = createClient({ url: location.origin, apiKey: visitor.api_key, userToken: () => visitor.user_token });
  // Stay connected for as long as the page is open.
  void client.realtime.connect({
    token: visitor.connection_token,
    refreshToken: async () => Object.assign(visitor, await enter(visitor.user.name, space)).connection_token,
    options: { maxReconnectAttempts: Number.POSITIVE_INFINITY, reconnectDelay: 500 },
  });
  app.replaceChildren(new Workspace(client, visitor, space).element);
}

// A link to another space, opened in this tab.
window.addEventListener('hashchange', () => location.reload());
void open();
