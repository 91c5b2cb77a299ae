import { createClient } from 'parley-js';
import { describe, expect, test } from 'vitest';
import { connected, keep, newClient, next, record, userToken, wired, world } from '../support/world.ts';

describe('connecting', () => {
  test('says who is connected', async () => {
    const { realtime } = newClient('ada');
    expect(realtime.getState()).toBe('disconnected');
    const events = record(realtime, 'connected', 'disconnected', 'error');
    const opening = realtime.connect({ token: userToken('ada') });
    expect(realtime.getState()).toBe('connecting');
    const welcome = await opening;
    expect(welcome).toMatchObject({ user_id: 'ada', environment: 'production', resumed: false });
    expect([realtime.getState(), realtime.isConnected()]).toEqual(['connected', true]);
    await realtime.disconnect();
    expect([realtime.getState(), realtime.isConnected()]).toEqual(['disconnected', false]);
    expect(events).toEqual([
      ['connected', welcome],
      ['disconnected', 'disconnect() was called.'],
    ]);
  });

  test.each([
    ['the user token', userToken('ada')],
    ['a function that gives one', async () => userToken('ada')],
  ])('without a token takes %s of the client', async (_, token) => {
    const { url, publishableKey: apiKey } = world;
    const { realtime } = keep(createClient({ url, apiKey, userToken: token }));
    expect(await realtime.connect()).toMatchObject({ user_id: 'ada' });
  });

  test('without any token is refused', async () => {
    const { url, publishableKey: apiKey } = world;
    const opening = createClient({ url, apiKey }).realtime.connect();
    await expect(opening).rejects.toMatchObject({
      code: 'invalid_token',
      message: expect.stringMatching(/^There is no token/),
    });
  });

  test('is refused a second time', async () => {
    const { realtime } = await connected('ada');
    await expect(realtime.connect({ token: userToken('ada') })).rejects.toMatchObject({
      code: 'already_connected',
    });
    expect(realtime.isConnected()).toBe(true);
  });

  test('works again after a goodbye', async () => {
    const { realtime } = await connected('ada');
    const channel = realtime.subscribe('chat:again');
    await channel.ready();
    void realtime.disconnect();
    await realtime.disconnect();
    const welcome = await realtime.connect({ token: userToken('ada') });
    expect(welcome.resumed).toBe(false);
    await channel.ready();
    await channel.send({ data: 'again' });
  });

  test('with a bad token ends at once', async () => {
    const { realtime } = newClient('ada');
    const events = record(realtime, 'reconnecting', 'error');
    await expect(realtime.connect({ token: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_token' });
    expect(events).toEqual([['error', expect.objectContaining({ code: 'invalid_token', status: 401 })]]);
  });

  test('gives up after the attempts that were asked for', async () => {
    const { realtime } = newClient('ada', 'http://127.0.0.1:9');
    const events = record(realtime, 'reconnecting');
    const options = { reconnectDelay: 1, maxReconnectAttempts: 3 };
    await expect(realtime.connect({ token: userToken('ada'), options })).rejects.toMatchObject({
      code: 'connection_failed',
    });
    expect(events.map(([, attempt]) => attempt)).toEqual([1, 2, 3]);
  });

  test('can be called off', async () => {
    const { realtime } = newClient('ada', 'http://127.0.0.1:9');
    const opening = realtime.connect({ token: userToken('ada') });
    await next(realtime, 'reconnecting');
    await realtime.disconnect();
    await expect(opening).rejects.toMatchObject({ code: 'disconnected' });
    expect(realtime.getState()).toBe('disconnected');
  });
});

describe('tokens', () => {
  test('are renewed before they expire, without losing the connection', async () => {
    const { realtime } = newClient('ada');
    const events = record(realtime, 'disconnected', 'error');
    let renewals = 0;
    const renewed = new Promise<void>((resolve) => {
      const refreshToken = () => {
        renewals += 1;
        if (renewals === 2) resolve();
        return userToken('ada', renewals === 1 ? 30 : 3600); // the first one is about to expire already
      };
      void realtime.connect({ refreshToken });
    });
    await renewed;
    expect(events).toEqual([]);
    expect(realtime.isConnected()).toBe(true);
  });

  test('that have expired are replaced before connecting again', async () => {
    const { realtime } = newClient('ada');
    const events = record(realtime, 'reconnecting', 'error');
    await realtime.connect({ token: userToken('ada', -10), refreshToken: async () => userToken('ada') });
    expect(events).toEqual([['reconnecting', 1]]);
  });

  test('that have expired end it where no new one can be had, until the app brings one', async () => {
    const { realtime } = await connected('ada', { token: userToken('ada', 3) });
    const channel = realtime.subscribe('chat:expiry');
    await channel.ready();
    expect(await next(realtime, 'error')).toMatchObject({ code: 'invalid_token' });
    expect(realtime.getState()).toBe('disconnected');
    const sending = channel.send({ data: 'late' });
    const back = next(realtime, 'connected');
    await realtime.reconnect({ token: userToken('ada') });
    expect(await back).toMatchObject({ resumed: true });
    await sending;
  });

  test('that have expired leave nothing to the next user', async () => {
    const { realtime } = await connected('ada', { token: userToken('ada', 3) });
    const channel = realtime.subscribe('chat:expiry');
    await channel.ready();
    await next(realtime, 'error');
    const sending = expect(channel.send({ data: 'of Ada' })).rejects.toMatchObject({ code: 'disconnected' });
    expect(await realtime.connect({ token: userToken('bob') })).toMatchObject({
      user_id: 'bob',
      resumed: false,
    });
    await sending;
    await channel.ready();
  });

  test('can be changed by hand, but not for those of somebody else', async () => {
    const { realtime } = await connected('ada');
    const events = record(realtime, 'disconnected');
    await realtime.reconnect({ token: userToken('ada') });
    await expect(realtime.reconnect({ token: userToken('bob') })).rejects.toMatchObject({
      code: 'invalid_token',
    });
    expect(events).toEqual([]);
  });
});

test('a connection that is dead without saying so is noticed and replaced', async () => {
  const { client, wire } = await wired('ada', { options: { heartbeatInterval: 200 } });
  wire.hold();
  const gone = next(client.realtime, 'disconnected');
  expect(await gone).toBe('the server does not answer');
  const back = next(client.realtime, 'connected');
  wire.heal();
  expect(await back).toMatchObject({ resumed: true });
});

test('the CommonJS build is the same', async () => {
  const { createRequire } = await import('node:module');
  const { createClient } = createRequire(import.meta.url)('parley-js') as typeof import('parley-js');
  const { realtime } = createClient({ url: world.url, apiKey: world.publishableKey });
  await realtime.connect({ token: userToken('ada') });
  await realtime.disconnect();
});
