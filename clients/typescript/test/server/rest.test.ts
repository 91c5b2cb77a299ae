import type { Message, SearchQuery } from 'parley-js';
import { createClient } from 'parley-js';
import { describe, expect, test } from 'vitest';
import { connected, fresh, newClient, world } from '../support/world.ts';

describe('connection tokens', () => {
  test('are issued to a user for itself, and open what they were asked for', async () => {
    const { realtime } = newClient('ada');
    const made = await realtime.getToken({ user_id: 'ada', channels: ['team:*'] });
    expect(made).toMatchObject({ user_id: 'ada', channels: ['team:*'], url: expect.stringMatching(/^ws/) });
    await realtime.connect({ token: made.token });
    await realtime.subscribe(fresh('team:')).ready();
    await expect(realtime.subscribe(fresh('chat:')).ready()).rejects.toMatchObject({
      code: 'unauthorized_channel',
    });
  });

  test('for somebody else are refused', async () => {
    const asking = newClient('ada').realtime.getToken({ user_id: 'bob' });
    await expect(asking).rejects.toMatchObject({ code: 'forbidden', status: 403 });
  });

  test('are issued by the application for anybody and any channel', async () => {
    const { realtime } = createClient({ url: world.url, apiKey: world.secretKey });
    const { token } = await realtime.getToken({ user_id: 'bob', channels: ['private:board'] });
    const bob = await connected('bob', { token });
    const board = bob.realtime.subscribe('private:board');
    const { id } = await board.send({ data: { text: 'secret' } });
    // The connection token opens the channel over REST too.
    expect((await board.history.fetch()).map((message) => message.id)).toContain(id);
  });
});

test('history comes in pages, the newest first', async () => {
  const { realtime } = await connected('ada');
  const channel = realtime.subscribe<{ message: { number: number } }>(fresh('chat:'));
  for (let number = 0; number < 5; number++) await channel.send({ number });
  const numbers = (page: Message<{ number: number }>[]) => page.map(({ data }) => data.number);
  const newest = await channel.history.fetch({ limit: 2 });
  expect(numbers(newest)).toEqual([4, 3]);
  expect(newest[0]).toMatchObject({ channel_id: channel.name, user_id: 'ada', event: 'message', offset: 5 });
  expect(numbers(await channel.history.fetch({ limit: 2, before: newest[1]?.id ?? '' }))).toEqual([2, 1]);
  expect(numbers(await channel.history.fetch({ after: newest[1]?.id ?? '' }))).toEqual([4]);
  await expect(channel.history.fetch({ limit: 0 })).rejects.toMatchObject({
    code: 'validation_error',
    status: 422,
  });
});

test('messages are found by their words, in one channel or in all', async () => {
  const { realtime } = await connected('ada');
  const [one, other] = [realtime.subscribe(fresh('chat:')), realtime.subscribe(fresh('chat:'))];
  const word = fresh('word');
  await one.send({ text: `The ${word} is here` });
  await one.send({ text: 'and not here' });
  await other.send({ text: `Here is the ${word} too` });
  const found = (asked: SearchQuery) =>
    realtime.messages.search(asked).then((page) => page.map(({ channel_id }) => channel_id));
  await expect.poll(() => found({ query: `${word} HERE` })).toEqual([other.name, one.name]);
  expect(await found({ query: word, channel_id: one.name })).toEqual([one.name]);
  expect(await found({ query: word, limit: 1 })).toEqual([other.name]);
  await expect(found({ query: '' })).rejects.toMatchObject({ code: 'validation_error' });
});

test('who has read a message, and whom it has reached, can be asked', async () => {
  const [ada, bob] = [await connected('ada'), await connected('bob')];
  const name = fresh('chat:');
  const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
  await Promise.all([here.ready(), there.ready()]);
  const { id } = await here.send({ data: { text: 'Read me' } });
  const { read_at } = await there.messages.markAsRead(id);
  expect(await here.messages.getReadStatus(id)).toMatchObject({
    read_by: ['bob'],
    read_count: 1,
    receipts: [{ user_id: 'bob', read_at }],
  });
  await expect.poll(async () => (await here.messages.getReadStatus(id)).delivered_to).toContain('bob');
});

test('a server that is not there is said to be', async () => {
  const asking = newClient('ada', 'http://127.0.0.1:9').realtime.getToken({ user_id: 'ada' });
  await expect(asking).rejects.toMatchObject({ code: 'connection_failed' });
});
