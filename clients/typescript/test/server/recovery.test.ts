import type { Channel, Client, Message } from 'parley-js';
import { describe, expect, test } from 'vitest';
import { connected, control, fresh, next, record, wired } from '../support/world.ts';

function texts(told: [string, unknown][]): unknown[] {
  return told.map(([, message]) => (message as Message).data);
}

async function pair(): Promise<{
  ada: Client;
  wire: Awaited<ReturnType<typeof wired>>['wire'];
  here: Channel;
  there: Channel;
}> {
  const [{ client: ada, wire }, bob] = [await wired('ada'), await connected('bob')];
  const name = fresh('chat:');
  const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
  await Promise.all([here.ready(), there.ready()]);
  return { ada, wire, here, there };
}

describe('after an interruption', () => {
  test('nothing is missing, and nothing comes twice', async () => {
    const { ada, wire, here, there } = await pair();
    const events = record(ada.realtime, 'disconnected', 'reconnecting', 'connected');
    const seen = record(here, 'message', 'reload');
    for (let number = 0; number < 5; number++) await there.send({ data: number });
    wire.cut();
    await next(ada.realtime, 'reconnecting');
    for (let number = 5; number < 15; number++) await there.send({ data: number });
    const last = next<Message>(here, 'message', ({ data }) => data === 15);
    wire.heal();
    await there.send({ data: 15 });
    await last;
    expect(texts(seen)).toEqual(Array.from({ length: 16 }, (_, number) => number));
    const names = events.map(([name]) => name);
    expect(names.slice(0, 2)).toEqual(['disconnected', 'reconnecting']);
    expect(events.at(-1)).toEqual(['connected', expect.objectContaining({ resumed: true })]);
  });

  test('what was not acknowledged is sent again, and stored once', async () => {
    const { ada, wire, here, there } = await pair();
    const seen = record(there, 'message');
    const arrived = next<Message>(there, 'message');
    wire.deafen();
    const sending = here.send({ data: 'once' });
    const { id } = await arrived; // the server has it; its acknowledgement does not come through
    const back = next(ada.realtime, 'connected');
    wire.cut();
    wire.heal();
    await back;
    expect((await sending).id).toBe(id);
    const end = next<Message>(there, 'message', ({ data }) => data === 'end');
    await here.send({ data: 'end' });
    await end;
    expect(texts(seen)).toEqual(['once', 'end']);
  });

  test('a channel that was left meanwhile stays left', async () => {
    const { ada, wire, here, there } = await pair();
    wire.cut();
    await next(ada.realtime, 'disconnected');
    await here.unsubscribe();
    const seen = record(here, 'message');
    const back = next(ada.realtime, 'connected');
    wire.heal();
    await back;
    await there.send({ data: 1 });
    const other = ada.realtime.subscribe(fresh('chat:'));
    await other.ready();
    expect(seen).toEqual([]);
  });

  test('events and presence that need a connection are refused, not kept', async () => {
    const { ada, wire, here } = await pair();
    wire.cut();
    await next(ada.realtime, 'disconnected');
    await expect(here.trigger('cursor', {})).rejects.toMatchObject({ code: 'not_connected' });
  });
});

describe('when the server is killed and started again', { timeout: 180_000 }, () => {
  test('messages that were acknowledged are there, and those that wait are sent', async () => {
    const [ada, bob] = [await connected('ada'), await connected('bob')];
    const name = fresh('chat:');
    const [here, there] = [ada.realtime.subscribe(name), bob.realtime.subscribe(name)];
    await Promise.all([here.ready(), there.ready()]);
    const seen = record(there, 'message', 'reload');
    await here.send({ data: 'before' });
    const back = next(ada.realtime, 'connected');
    await control('kill');
    const sending = here.send({ data: 'meanwhile' });
    const last = next<Message>(there, 'message', ({ data }) => data === 'meanwhile');
    await control('start');
    expect(await back).toMatchObject({ resumed: false }); // sessions end with their process
    await sending;
    await last;
    expect(texts(seen)).toEqual(['before', 'meanwhile']);
  });

  test('what happened between is there, events too', async () => {
    const { ada, wire, here, there } = await pair();
    const seen = record(here, 'message', 'cursor', 'reload');
    wire.cut();
    await next(ada.realtime, 'disconnected');
    await there.send({ data: 1 });
    await there.trigger('cursor', { x: 1 });
    await control('kill');
    await control('start');
    await there.ready();
    wire.heal();
    const last = next<Message>(here, 'message', ({ data }) => data === 2);
    await there.send({ data: 2 });
    await last;
    expect(seen.map(([event]) => event)).toEqual(['message', 'cursor', 'message']);
  });

  test('clients come back after an orderly restart as well', async () => {
    const { realtime } = await connected('ada', { options: { reconnectDelay: 100 } });
    const endings: unknown[] = [];
    realtime.on('disconnected', (_, ending) => endings.push(ending));
    const back = next(realtime, 'connected');
    await control('stop');
    await control('start');
    await back;
    expect(endings).toEqual([expect.objectContaining({ willReconnect: true })]);
  });
});

// The last one: it uses up the app's messages per second, and what is sent next could be refused.
test('what was sent while away goes out in order, at the pace the plan allows', async () => {
  const { ada, wire, here, there } = await pair();
  const seen = record(there, 'message');
  wire.cut();
  await next(ada.realtime, 'disconnected');
  const numbers = Array.from({ length: 70 }, (_, number) => number); // the plan: 50 per second
  const sending = numbers.map((data) => here.send({ data }));
  expect(here.pending).toBe(70);
  const last = next<Message>(there, 'message', ({ data }) => data === 69);
  wire.heal();
  await Promise.all(sending);
  await last;
  expect(texts(seen)).toEqual(numbers);
  expect(here.pending).toBe(0);
});
