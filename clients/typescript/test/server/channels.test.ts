import { randomUUID } from 'node:crypto';
import type { Message } from 'parley-js';
import { describe, expect, test } from 'vitest';
import { connected, fresh, newClient, next, record, userToken } from '../support/world.ts';

describe('messages', () => {
  test('reach everybody, the sender too, in one order', async () => {
    const [ada, bob] = [await connected('ada'), await connected('bob')];
    const name = fresh('chat:');
    const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
    await Promise.all([here.ready(), there.ready()]);
    const seen = [record(here, 'message'), record(there, 'message')];
    const last = [here, there].map((channel) =>
      next<Message>(channel, 'message', ({ data }) => data === 'last'),
    );
    const sent = await here.send({ type: 'message', data: { text: 'Hello' } });
    await there.send({ text: 'Hi', user_id: 'somebody' });
    await here.send({ data: 'last' });
    await Promise.all(last);
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]?.map(([, message]) => message)).toMatchObject([
      {
        id: sent.id,
        channel_id: name,
        user_id: 'ada',
        data: { text: 'Hello' },
        offset: sent.offset,
        event: 'message',
      },
      { user_id: 'bob', data: { text: 'Hi', user_id: 'somebody' } },
      { data: 'last' },
    ]);
  });

  test('of other names have listeners of their own', async () => {
    const { realtime } = await connected('ada');
    const channel = realtime.subscribe(fresh('chat:'));
    const messages = record(channel, 'message');
    const order = new Promise((resolve) => channel.on('order', (data, origin) => resolve([data, origin])));
    const sent = await channel.send({ type: 'order', data: { dish: 'soup' } });
    expect(await order).toEqual([
      { dish: 'soup' },
      expect.objectContaining({ user_id: 'ada', channel_id: channel.name, id: sent.id, offset: sent.offset }),
    ]);
    expect(messages).toEqual([]);
  });

  test('with the same client_id are one message', async () => {
    const { realtime } = await connected('ada');
    const channel = realtime.subscribe(fresh('chat:'));
    const client_id = randomUUID();
    const first = await channel.send({ data: 1 }, { client_id });
    expect((await channel.send({ data: 1 }, { client_id })).id).toBe(first.id);
  });

  test('can be sent without an echo, which is no gap', async () => {
    const [ada, bob] = [await connected('ada'), await connected('bob')];
    const name = fresh('chat:');
    const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
    await Promise.all([here.ready(), there.ready()]);
    const told = record(here, 'message', 'reload');
    const seen = record(there, 'message');
    const got = next(here, 'message');
    const end = next<Message>(there, 'message', ({ data }) => data === 'end');
    await Promise.all([here.trigger('cursor', { x: 1 }), here.send({ data: 'quiet' }, { echo: false })]);
    await there.send({ data: 'loud' });
    await here.send({ data: 'end' }, { echo: false });
    await Promise.all([got, end]);
    expect(told.map(([, message]) => (message as Message).data)).toEqual(['loud']);
    expect(seen.map(([, message]) => (message as Message).data)).toEqual(['quiet', 'loud', 'end']);
  });

  test('of a name that means something else are refused here', async () => {
    const { realtime } = await connected('ada');
    const channel = realtime.subscribe(fresh('chat:'));
    await expect(channel.send({ type: 'reload' })).rejects.toMatchObject({ code: 'invalid_event' });
    await expect(channel.send({ type: 'presence:join' })).rejects.toMatchObject({ code: 'invalid_event' });
  });

  test('that do not fit into a frame are refused, and the connection stays', async () => {
    const { realtime } = await connected('ada');
    const gone = record(realtime, 'disconnected');
    const channel = realtime.subscribe(fresh('chat:'));
    const big = channel.send({ data: 'x'.repeat(70_000) });
    await expect(big).rejects.toMatchObject({ code: 'payload_too_large', status: 413 });
    await expect(channel.send({ data: 'x'.repeat(40_000) })).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    await channel.send({ data: 'small' });
    expect(gone).toEqual([]);
  });
});

test('events reach the others who are here', async () => {
  const [ada, bob] = [await connected('ada'), await connected('bob')];
  const name = fresh('chat:');
  const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
  await Promise.all([here.ready(), there.ready()]);
  const own = record(here, 'cursor');
  const seen = next(there, 'cursor');
  await here.trigger('cursor', { x: 3 });
  expect(await seen).toEqual({ x: 3 });
  const echoed = next(here, 'cursor');
  await here.trigger('cursor', { x: 4 }, { echo: true });
  expect(await echoed).toEqual({ x: 4 });
  expect(own).toEqual([['cursor', { x: 4 }]]);
});

describe('subscribing', () => {
  test('begins with the connection, and gives the same channel twice', async () => {
    const { realtime } = newClient('ada');
    const name = fresh('chat:');
    const channel = realtime.subscribe(name);
    expect(realtime.subscribe(name)).toBe(channel);
    expect(channel.state).toBe('subscribing');
    void realtime.connect({ token: userToken('ada') });
    await channel.ready();
    expect(channel.state).toBe('subscribed');
  });

  test('to what is not allowed is refused', async () => {
    const { realtime } = await connected('ada');
    const refused = next(realtime, 'error');
    const channel = realtime.subscribe('private:board');
    const told = record(channel, 'error');
    const sending = expect(channel.send({ data: 1 })).rejects.toMatchObject({ code: 'unauthorized_channel' });
    await expect(channel.ready()).rejects.toMatchObject({ code: 'unauthorized_channel', status: 401 });
    await sending;
    expect(await refused).toMatchObject({ channel: 'private:board' });
    expect([told.length, channel.state]).toEqual([1, 'failed']);
  });

  test('ends with unsubscribe', async () => {
    const [ada, bob] = [await connected('ada'), await connected('bob')];
    const name = fresh('chat:');
    const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
    await Promise.all([here.ready(), there.ready()]);
    const seen = record(here, 'message');
    await here.unsubscribe();
    await there.send({ data: 1 });
    await expect(here.send({ data: 2 })).rejects.toMatchObject({ code: 'unsubscribed' });
    const again = ada.realtime.subscribe(name);
    await again.ready();
    expect([again === here, here.state, seen]).toEqual([false, 'unsubscribed', []]);
  });

  test('a listener that has been taken off hears nothing', async () => {
    const { realtime } = await connected('ada');
    const channel = realtime.subscribe(fresh('chat:'));
    const heard: unknown[] = [];
    const listener = (message: Message) => heard.push(message.data);
    channel.on('message', listener);
    const stop = channel.on('message', listener);
    const first = next(channel, 'message');
    await channel.send({ data: 1 });
    await first;
    stop();
    const second = next(channel, 'message');
    await channel.send({ data: 2 });
    await second;
    expect(heard).toEqual([1]);
  });
});
