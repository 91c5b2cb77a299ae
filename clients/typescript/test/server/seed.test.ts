// The calls of the product description, in its own manner: nothing is typed, little is awaited.
import { expect, test } from 'vitest';
import { fresh, newClient, next, userToken } from '../support/world.ts';

test('an application connects, chats and sees who is there', async () => {
  const client = newClient('ada');
  const told: string[] = [];
  client.realtime.on('connected', () => told.push('Connected'));
  client.realtime.on('disconnected', (reason) => told.push(`Disconnected: ${reason}`));
  client.realtime.on('reconnecting', (attempt) => told.push(`Reconnecting: ${attempt}`));
  client.realtime.on('error', (error) => told.push(`Error: ${error.message}`));

  const { token } = await client.realtime.getToken({ user_id: 'ada' });
  await client.realtime.connect({
    token,
    options: {
      autoReconnect: true,
      reconnectDelay: 1000,
      maxReconnectAttempts: 10,
      heartbeatInterval: 30000,
    },
  });
  expect(client.realtime.getState()).toBe('connected');
  expect(client.realtime.isConnected()).toBe(true);

  const channel = await client.realtime.subscribe(fresh('chat:')); // awaiting it does no harm
  const messages: unknown[] = [];
  const present: unknown[] = [];
  channel.on('message', (message) => messages.unshift(message));
  channel.on('presence', (members) =>
    present.splice(0, present.length, ...members.map(({ user_id }) => user_id)),
  );
  channel.on('typing:start', ({ user_name }) => told.push(`${user_name} is typing`));

  await channel.presence.enter({
    user_id: 'ada',
    name: 'Ada',
    status: 'online',
    avatar: 'https://example.com/a.png',
  });
  await channel.presence.update({ status: 'away' });
  channel.typing.start({ user_id: 'ada', user_name: 'Ada' });
  channel.typing.stop();
  const custom = next(channel, 'order');
  const { id } = await channel.send({ type: 'message', data: { text: 'Hello', attachments: [] } });
  await channel.send({ type: 'order', dish: 'soup', user_id: 'ada' });
  expect(await custom).toEqual({ dish: 'soup', user_id: 'ada' });
  channel.trigger('cursor', { x: 1, y: 2 });

  await channel.messages.markAsRead(id);
  const { read_by, read_count } = await channel.messages.getReadStatus(id);
  expect([read_by, read_count]).toEqual([[], 0]); // one's own messages need no reading
  const history = await channel.history.fetch({ limit: 50 });
  expect(history.reverse().map(({ event }) => event)).toEqual(['message', 'order']);
  expect(messages).toMatchObject([{ id, channel_id: channel.name, user_id: 'ada', data: { text: 'Hello' } }]);
  const members = await channel.presence.getMembers();
  expect(members).toMatchObject([{ user_id: 'ada', status: 'away', data: { name: 'Ada', status: 'away' } }]);
  expect(present).toEqual(['ada']);

  await channel.presence.leave();
  await client.realtime.reconnect({ token: userToken('ada') });
  channel.unsubscribe();
  await client.realtime.disconnect();
  expect(told).toEqual(['Connected', 'Disconnected: disconnect() was called.']);
});
