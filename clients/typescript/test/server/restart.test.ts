import { type Channel, type Client, createClient, type Ending, type Message } from 'parley-js';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  control,
  fresh,
  keep,
  newWire,
  next,
  OPTIONS,
  record,
  unlimitedApp,
  world,
} from '../support/world.ts';

let app: { publishable_key: string; secret_key: string };
let server: Client;

beforeAll(async () => {
  app = await unlimitedApp(); // 1 001 messages take no time where no plan slows them down
  server = createClient({ url: world.url, apiKey: app.secret_key });
});

async function tokenFor(user_id: string, ...channels: string[]): Promise<string> {
  const asked = { user_id, channels: channels.length > 0 ? channels : ['chat:*'] };
  return (await server.realtime.getToken(asked)).token;
}

/** Connected with a token of their own. */
async function user(name: string, url: string = world.url): Promise<Client> {
  const client = keep(createClient({ url, apiKey: app.publishable_key }));
  await client.realtime.connect({ token: await tokenFor(name), options: OPTIONS });
  return client;
}

async function subscribed(client: Client, name: string): Promise<Channel> {
  const channel = client.realtime.subscribe(name);
  await channel.ready();
  return channel;
}

/** Publish as the customer's server does; `size` letters more in each. */
async function publish(channel: string, first: number, last: number, size: number = 0): Promise<void> {
  const padding = 'x'.repeat(size);
  for (let from = first; from <= last; ) {
    const count = Math.min(size > 0 ? 25 : 100, last - from + 1);
    const messages = Array.from({ length: count }, (_, at) => ({
      channel,
      event: 'message',
      data: { number: from + at, padding },
    }));
    const answer = await fetch(`${world.url}/v1/realtime/publish/batch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Api-Key': app.secret_key },
      body: JSON.stringify({ data: { type: 'batch_broadcast', attributes: { messages } } }),
    });
    expect(answer.status, await answer.text()).toBe(202);
    from += count;
  }
}

const numberOf = (told: unknown): number => (told as Message<{ number: number }>).data.number;
const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);

function endingsOf(client: Client): Ending[] {
  const endings: Ending[] = [];
  client.realtime.on('disconnected', (_, ending) => endings.push(ending));
  return endings;
}

describe('a server that ends and is started again', { timeout: 180_000 }, () => {
  test.each([
    ['after it has drained', 'stop', 4503],
    ['after it was killed', 'kill', 1006],
  ] as const)('%s finds everything where it was, in order and once', async (_, how, code) => {
    const [ada, bob] = [await user('ada'), await user('bob')];
    const name = fresh('chat:');
    const [here, there] = [await subscribed(ada, name), await subscribed(bob, name)];
    const told = record(there, 'message', 'reload');
    const endings = endingsOf(bob);
    const delays: number[] = [];
    bob.realtime.on('reconnecting', (_, delay) => delays.push(delay));
    const some = next<Message>(there, 'message', (message) => numberOf(message) === 20);
    const back = next(bob.realtime, 'connected');
    const sending = numbers(1, 300).map((number) => here.send({ data: { number } }));
    await some;
    await control(how);
    const late = here.send({ data: { number: 301 } }); // while nobody is there
    const end = next<Message>(there, 'message', (message) => numberOf(message) === 301);
    await control('start');
    expect(await back).toMatchObject({ resumed: false }); // sessions end with their process
    const acknowledged = await Promise.all([...sending, late]);
    await end;
    expect(told.map(([event]) => event)).not.toContain('reload');
    expect(told.map(([, message]) => numberOf(message))).toEqual(numbers(1, 301));
    expect(acknowledged.map(({ offset }) => offset)).toEqual(numbers(1, 301));
    expect(endings[0]).toEqual({ code, willReconnect: true });
    expect(delays[0] === 0).toBe(how === 'stop'); // who is sent away comes back at once
  });

  test('says which channel has moved on too far while it was away', async () => {
    const wire = await newWire();
    const ada = await user('ada', wire.url);
    const [far, near] = [await subscribed(ada, fresh('chat:')), await subscribed(ada, fresh('chat:'))];
    const told = [record(far, 'message', 'reload'), record(near, 'message', 'reload')];
    wire.cut();
    await next(ada.realtime, 'reconnecting');
    await publish(far.name, 1, 1_001);
    await publish(near.name, 1, 1_000);
    await control('stop');
    await control('start');
    const caughtUp = next<Message>(near, 'message', (message) => numberOf(message) === 1_000);
    const lost = next(far, 'reload');
    wire.heal();
    await Promise.all([caughtUp, lost]);
    const live = next(far, 'message');
    await publish(far.name, 1_002, 1_002);
    await live;
    expect(told[0]?.map(([event]) => event)).toEqual(['reload', 'message']);
    expect(told[1]?.map(([, message]) => numberOf(message))).toEqual(numbers(1, 1_000));
  });
});

describe('a session that is resumed', () => {
  test('says which channel has moved on too far, and goes on there', async () => {
    const wire = await newWire();
    const ada = await user('ada', wire.url);
    const [far, near] = [await subscribed(ada, fresh('chat:')), await subscribed(ada, fresh('chat:'))];
    await publish(far.name, 1, 1);
    const told = [record(far, 'message', 'reload'), record(near, 'message', 'reload')];
    await next(far, 'message');
    wire.cut();
    await next(ada.realtime, 'reconnecting');
    await publish(far.name, 2, 1_002);
    await publish(near.name, 1, 3);
    const back = next(ada.realtime, 'connected');
    const lost = next(far, 'reload');
    const caughtUp = next<Message>(near, 'message', (message) => numberOf(message) === 3);
    wire.heal();
    expect(await back).toMatchObject({ resumed: true });
    expect(await lost).toEqual({ reason: 'too_many' });
    await caughtUp;
    const live = next(far, 'message');
    await publish(far.name, 1_003, 1_003);
    await live;
    expect(told[0]?.map(([event]) => event)).toEqual(['message', 'reload', 'message']);
    expect(told[1]?.map(([, message]) => numberOf(message))).toEqual([1, 2, 3]);
    const newest = await far.history.fetch({ limit: 2 });
    expect(newest.map(numberOf)).toEqual([1_003, 1_002]);
  });

  test('loses the channels that its new token does not open', async () => {
    const wire = await newWire();
    const ada = await user('ada', wire.url);
    const [kept, closed] = [await subscribed(ada, fresh('chat:')), await subscribed(ada, fresh('chat:'))];
    const refused = next(closed, 'error');
    const back = next(ada.realtime, 'connected');
    wire.cut();
    await next(ada.realtime, 'reconnecting');
    const token = await tokenFor('ada', kept.name);
    wire.heal();
    await ada.realtime.reconnect({ token });
    expect(await refused).toMatchObject({ code: 'unauthorized_channel', channel: closed.name });
    expect(await back).toMatchObject({ resumed: true });
    await kept.send({ data: 'still here' });
  });

  test('after its client read too slowly gives it what it has missed', { timeout: 180_000 }, async () => {
    const wire = await newWire();
    const ada = await user('ada', wire.url);
    const channel = await subscribed(ada, fresh('chat:'));
    const told = record(channel, 'message', 'reload');
    const endings = endingsOf(ada);
    const back = next(ada.realtime, 'connected');
    const last = next<Message>(channel, 'message', (message) => numberOf(message) === 400);
    wire.stall();
    await publish(channel.name, 1, 400, 30_000); // more than sockets and the server's queue hold
    wire.heal();
    expect(await back).toMatchObject({ resumed: true });
    await last;
    expect(endings).toHaveLength(1); // the replay is long, and is read at the reader's pace
    expect([4503, 1006]).toContain(endings[0]?.code); // the word itself does not get through for ever
    expect(told.map(([event]) => event)).not.toContain('reload');
    expect(told.map(([, message]) => numberOf(message))).toEqual(numbers(1, 400));
  });
});
