import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Channel, Client, Member, Message, Receipt, Typist } from 'parley-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connected, fresh, next, record, wired, world } from '../support/world.ts';

type Profile = { name: string; mood?: string };
type Room = { message: { text: string }; presence: Profile };

async function together(...people: string[]): Promise<{ clients: Client[]; channels: Channel<Room>[] }> {
  const clients = await Promise.all(people.map((user) => connected(user)));
  const name = fresh('chat:');
  const channels = clients.map(({ realtime }) => realtime.subscribe<Room>(name));
  await Promise.all(channels.map((channel) => channel.ready()));
  return { clients, channels };
}

describe('presence', () => {
  test('tells who comes, changes and goes', async () => {
    const { channels } = await together('ada', 'bob');
    const [here, there] = channels as [Channel<Room>, Channel<Room>];
    const events = record(there, 'presence:join', 'presence:update', 'presence:leave');
    const left = next(there, 'presence:leave');
    const entered = await here.presence.enter({ name: 'Ada' });
    expect(entered).toMatchObject({
      user_id: 'ada',
      status: 'online',
      data: { name: 'Ada', user_id: 'ada' },
    });
    await here.presence.update({ mood: 'fine' });
    expect(await there.presence.getMembers()).toMatchObject([{ data: { name: 'Ada', mood: 'fine' } }]);
    await here.presence.update({ mood: null });
    await here.presence.leave();
    await left;
    expect(events.map(([event, member]) => [event, (member as Member<Profile>).data.mood])).toEqual([
      ['presence:join', undefined],
      ['presence:update', 'fine'],
      ['presence:update', undefined],
      ['presence:leave', undefined],
    ]);
    expect([here.presence.members, there.presence.members]).toEqual([[], []]);
  });

  test('gives a newcomer everybody, and the whole list with each change', async () => {
    const { clients, channels } = await together('ada', 'bob');
    const [here, there] = channels as [Channel<Room>, Channel<Room>];
    await here.presence.enter({ name: 'Ada' });
    const carl = await connected('carl');
    const late = carl.realtime.subscribe<Room>(here.name);
    const synced = next<Member[]>(late, 'presence:sync');
    expect((await synced).map(({ user_id }) => user_id)).toEqual(['ada']);
    const lists = next<Member[]>(late, 'presence', (members) => members.length === 2);
    await there.presence.enter({ name: 'Bob' });
    expect((await lists).map(({ user_id }) => user_id)).toEqual(['ada', 'bob']);
    const gone = next<Member>(late, 'presence:leave');
    await clients[0]?.realtime.disconnect();
    expect(await gone).toMatchObject({ user_id: 'ada' });
  });

  test('is taken up again when the server has forgotten', async () => {
    const { client, wire } = await wired('ada');
    const bob = await connected('bob');
    const name = fresh('chat:');
    const [here, there] = [client.realtime.subscribe<Room>(name), bob.realtime.subscribe<Room>(name)];
    await there.ready();
    await here.presence.enter({ name: 'Ada' });
    const back = next(client.realtime, 'connected');
    wire.cut();
    const entering = here.presence.update({ mood: 'tired' });
    wire.heal();
    await back;
    await entering;
    expect(await there.presence.getMembers()).toMatchObject([{ data: { name: 'Ada', mood: 'tired' } }]);
  });
});

describe('typing', () => {
  test('is told to the others, once, and ends with the message', async () => {
    const { channels } = await together('ada', 'bob');
    const [here, there] = channels as [Channel<Room>, Channel<Room>];
    const own = record(here, 'typing:start', 'typing:stop');
    const events = record(there, 'typing:start', 'typing:stop', 'message');
    const said = [next(there, 'message'), next(there, 'typing:stop')];
    here.typing.start({ user_name: 'Ada L.' });
    here.typing.start({ user_name: 'Ada L.' });
    await here.send({ text: 'Hello' });
    await Promise.all(said);
    expect(own).toEqual([]);
    const writer: Partial<Typist> = { user_id: 'ada', user_name: 'Ada L.' };
    expect(events.filter(([event]) => event !== 'message')).toMatchObject([
      ['typing:start', writer],
      ['typing:stop', writer],
    ]);
  });

  test('ends with silence', async () => {
    const { channels } = await together('ada', 'bob');
    const [here, there] = channels as [Channel<Room>, Channel<Room>];
    const stopped = next<Typist>(there, 'typing:stop');
    here.typing.start();
    expect(await stopped).toMatchObject({ user_id: 'ada', user_name: 'ADA' });
  });
});

test('somebody who reads is told to everybody', async () => {
  const { channels } = await together('ada', 'bob');
  const [here, there] = channels as [Channel<Room>, Channel<Room>];
  const { id } = await here.send({ text: 'Read me' });
  const [seen, own] = [next<Receipt>(here, 'message:read'), next<Receipt>(there, 'message:read')];
  const receipt = await there.messages.markAsRead(id);
  expect(receipt).toMatchObject({ message_id: id, user_id: 'bob', channel_id: here.name });
  expect(await seen).toEqual(receipt);
  expect(await own).toEqual(receipt);
  expect(await there.messages.markAsRead(id)).toEqual(receipt);
});

describe('channels of the application', () => {
  async function application(
    answer: (asked: Record<string, string>, key: string | undefined) => object | number,
  ) {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const made = answer(
        JSON.parse(Buffer.concat(chunks).toString()),
        request.headers['x-session'] as string,
      );
      response.writeHead(typeof made === 'number' ? made : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(made));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`;
  }

  function sign(appId: string, { socket_id, channel_name }: Record<string, string>, data: string): string {
    const text = `${socket_id}:${channel_name}:${data}`;
    return `${appId}:${createHmac('sha256', world.secretKey).update(text).digest('hex')}`;
  }

  test('are opened by its signature, again after an interruption', async () => {
    const asked: Record<string, string>[] = [];
    let appId = '';
    const authEndpoint = await application((question, session) => {
      asked.push({ ...question, session: session ?? '' });
      const channel_data = JSON.stringify({ user_id: question.user_id, user_info: { name: 'Ada' } });
      return { auth: sign(appId, question, channel_data), channel_data };
    });
    const { client, wire } = await wired('ada', { authEndpoint, authHeaders: { 'x-session': 'secret' } });
    const welcome = next<{ app_id: string }>(client.realtime, 'connected');
    wire.cut();
    wire.heal();
    appId = (await welcome).app_id;
    const name = fresh('presence:');
    const channel = client.realtime.subscribe<Room>(name);
    const joined = next<Member<Profile>>(channel, 'presence:join');
    expect((await joined).data).toMatchObject({ user_id: 'ada', name: 'Ada' });
    expect(asked).toMatchObject([{ channel_name: name, user_id: 'ada', session: 'secret' }]);
    const back = next(client.realtime, 'connected');
    wire.cut();
    wire.heal();
    await back;
    const echo = next<Message<Room['message']>>(channel, 'message');
    await channel.send({ text: 'still here' });
    expect((await echo).data.text).toBe('still here');
    expect(asked).toHaveLength(1); // the session keeps what the signature opened
    expect(await channel.history.fetch()).toMatchObject([{ data: { text: 'still here' } }]);
    expect(asked).toHaveLength(2); // for requests it names the socket, which is another one now
  });

  test('stay closed when it says no', async () => {
    const authEndpoint = await application(() => 403);
    const { realtime } = await connected('ada', { authEndpoint });
    const channel = realtime.subscribe('private:board');
    await expect(channel.ready()).rejects.toMatchObject({
      code: 'unauthorized_channel',
      channel: 'private:board',
    });
  });
});
