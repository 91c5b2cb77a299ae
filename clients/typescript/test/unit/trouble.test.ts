import { afterEach, describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { createClient } from '../../src/index.ts';
import type { Realtime } from '../../src/realtime/realtime.ts';
import { type Frame, message, ScriptedServer, say, welcome } from '../support/script.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

async function served(
  answer: (frame: Frame, socket: WebSocket) => void,
): Promise<[ScriptedServer, Realtime]> {
  const server = await ScriptedServer.start(answer);
  const { realtime } = createClient({ url: server.url, apiKey: 'pk_test_x' });
  cleanups.push(
    () => realtime.disconnect(),
    () => server.stop(),
  );
  return [server, realtime];
}

/** Welcomes, then closes the first connection with a code; the second one stays. */
async function closing(
  code: number,
  before: Frame[] = [],
): Promise<{ realtime: Realtime; delay: Promise<number> }> {
  let connections = 0;
  const [, realtime] = await served((frame, socket) => {
    if (frame.type === 'disconnect') socket.close(1000);
    if (frame.type !== 'connect') return;
    connections += 1;
    say(socket, welcome());
    if (connections > 1) return;
    say(socket, ...before);
    socket.close(code);
  });
  const delay = new Promise<number>((resolve) => realtime.on('reconnecting', (_, wait) => resolve(wait)));
  return { realtime, delay };
}

describe('a connection that is closed', () => {
  test.each([4400, 4403, 4409, 1000])('with %i is not opened again', async (code) => {
    const { realtime } = await closing(code);
    const gone = new Promise((resolve) => realtime.on('disconnected', (_, ending) => resolve(ending)));
    await realtime.connect({ token: 't' });
    expect(await gone).toEqual({ code, willReconnect: false });
    expect(realtime.getState()).toBe('disconnected');
  });

  test('because the server drains is opened again at once', async () => {
    const { realtime, delay } = await closing(4503);
    await realtime.connect({ token: 't' });
    expect(await delay).toBe(0);
  });

  test('after a notice is opened again when the notice says', async () => {
    const { realtime, delay } = await closing(4503, [
      { type: 'reconnect', after_ms: 40, reason: 'draining' },
    ]);
    await realtime.connect({ token: 't' });
    expect(await delay).toBe(40);
  });

  test('because there are too many is opened again after 5 s at least', async () => {
    const { realtime, delay } = await closing(4429);
    await realtime.connect({ token: 't', options: { reconnectDelay: 1 } });
    expect(await delay).toBe(5_000);
  });

  test('is not opened again when the app does not want it', async () => {
    const { realtime } = await closing(1001);
    const gone = new Promise((resolve) => realtime.on('disconnected', (_, ending) => resolve(ending)));
    await realtime.connect({ token: 't', options: { autoReconnect: false } });
    expect(await gone).toMatchObject({ willReconnect: false });
  });
});

test('a frame that was too big is not sent again', async () => {
  let isFirst = true;
  const [server, realtime] = await served((frame, socket) => {
    if (frame.type === 'connect') say(socket, welcome());
    else if (frame.type === 'subscribe') {
      say(socket, {
        type: 'ack',
        id: frame.id,
        result: { channel: 'chat:1', epoch: 'e', offset: 0, recovered: null },
      });
    } else if (frame.type === 'publish' && isFirst) {
      isFirst = false;
      socket.close(1009);
    } else if (frame.type === 'publish') {
      say(socket, {
        type: 'ack',
        id: frame.id,
        result: { channel: 'chat:1', epoch: 'e', offset: 1, id: 'msg_1' },
      });
    } else socket.close(1000);
  });
  await realtime.connect({ token: 't', options: { reconnectDelay: 1 } });
  const channel = realtime.subscribe('chat:1');
  await expect(channel.send({ data: 'big' })).rejects.toMatchObject({ code: 'payload_too_large' });
  await channel.send({ data: 'small' });
  expect(server.heard.filter(({ type }) => type === 'publish').map(({ data }) => data)).toEqual([
    'big',
    'small',
  ]);
});

describe('a gap among the publications', () => {
  async function gapped(refilled: (id: unknown) => Frame[]) {
    let subscriptions = 0;
    const [server, realtime] = await served((frame, socket) => {
      if (frame.type === 'connect') say(socket, welcome());
      else if (frame.type === 'disconnect') socket.close(1000);
      else if (frame.type === 'subscribe') {
        subscriptions += 1;
        const result = { channel: 'chat:1', epoch: 'e', offset: 0, recovered: null };
        if (subscriptions === 1) {
          say(socket, { type: 'ack', id: frame.id, result }, message(1), message(1), message(3), message(4));
        } else say(socket, ...refilled(frame.id));
      }
    });
    await realtime.connect({ token: 't' });
    const channel = realtime.subscribe('chat:1');
    const told: unknown[] = [];
    channel.on('message', ({ offset }) => told.push(offset));
    channel.on('reload', ({ reason }) => told.push(reason));
    return { server, told };
  }

  test('is filled by subscribing again from where it begins', async () => {
    const { server, told } = await gapped((id) => [
      message(5), // on its way before the answer
      { type: 'ack', id, result: { channel: 'chat:1', epoch: 'e', offset: 5, recovered: true } },
      ...[2, 3, 4, 5].map((offset) => ({ ...message(offset), replayed: true })),
      message(6),
    ]);
    await expect.poll(() => told).toEqual([1, 2, 3, 4, 5, 6]);
    const asked = server.heard.filter(({ type }) => type === 'subscribe').map(({ since }) => since);
    expect(asked).toEqual([undefined, { epoch: 'e', offset: 1 }]);
  });

  test('that cannot be filled is said, and what follows goes on from there', async () => {
    const { told } = await gapped((id) => [
      { type: 'ack', id, result: { channel: 'chat:1', epoch: 'f', offset: 8, recovered: false } },
      message(9, 'f'),
    ]);
    await expect.poll(() => told).toEqual([1, 'epoch_changed', 9]);
  });
});

test('a resume that cannot replay says so, and goes on from where the server is', async () => {
  let connections = 0;
  const [server, realtime] = await served((frame, socket) => {
    if (frame.type === 'disconnect') socket.close(1000);
    else if (frame.type === 'subscribe') {
      const result = { channel: 'chat:1', epoch: 'e', offset: 5, recovered: null };
      say(socket, { type: 'ack', id: frame.id, result }, message(6));
      setTimeout(() => socket.terminate(), 20);
    } else if (frame.type === 'connect') {
      connections += 1;
      const told = { 'chat:1': { recovered: false, reason: 'too_many', epoch: 'e', offset: 5_000 } };
      if (connections === 1) say(socket, welcome());
      else say(socket, welcome({ resumed: true, resume_token: 'rt_2', channels: told }), message(5_001));
    }
  });
  await realtime.connect({ token: 't', options: { reconnectDelay: 1 } });
  const channel = realtime.subscribe('chat:1');
  const told: unknown[] = [];
  channel.on('message', ({ offset }) => told.push(offset));
  channel.on('reload', ({ reason }) => told.push(reason));
  await expect.poll(() => told).toEqual([6, 'too_many', 5_001]);
  expect(server.heard.filter(({ type }) => type === 'connect').map(({ resume }) => resume)).toEqual([
    undefined,
    { session_id: 's_1', resume_token: 'rt_1', channels: { 'chat:1': { epoch: 'e', offset: 6 } } },
  ]);
});

test.each(['localhost:7800', 'ws://localhost:7800', ''])('%j is no address of a server', (url) => {
  expect(() => createClient({ url, apiKey: 'pk_test_x' })).toThrow(TypeError);
});

test('a call outside of a browser is refused in words', async () => {
  const { realtime } = createClient({ url: 'http://localhost:7800', apiKey: 'pk_test_x' });
  const joining = realtime.webrtc.join({ room_id: 'room_1' });
  await expect(joining).rejects.toMatchObject({ code: 'unsupported' });
});
