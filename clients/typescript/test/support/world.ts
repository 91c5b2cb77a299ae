import { createHmac, randomUUID } from 'node:crypto';
import { type Client, type ConnectionOptions, type ConnectOptions, createClient } from 'parley-js';
import { afterEach } from 'vitest';
import { type Wire, wireTo } from './proxy.ts';

/** Of the environment; `tests/clients/typescript` sets it. */
function given(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run these through tests/clients/typescript`);
  return value;
}

export const world: { url: string; secretKey: string; publishableKey: string; controls: string } = {
  url: given('PARLEY_URL'),
  secretKey: given('PARLEY_SECRET_KEY'),
  publishableKey: given('PARLEY_PUBLISHABLE_KEY'),
  controls: given('PARLEY_CONTROLS'),
};

const clients: Client[] = [];
const wires: Wire[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.realtime.disconnect()));
  await Promise.all(wires.splice(0).map((wire) => wire.close()));
});

/** A name that no other test uses. */
export function fresh(prefix: string): string {
  return `${prefix}${randomUUID().slice(0, 8)}`;
}

/** A user token, as a customer's server makes them. */
export function userToken(user: string, seconds: number = 3600): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, name: user.toUpperCase(), exp })}`;
  return `${text}.${createHmac('sha256', world.secretKey).update(text).digest('base64url')}`;
}

/** A client that is disconnected after the test. */
export function keep(client: Client): Client {
  clients.push(client);
  return client;
}

/** A client that has not connected. */
export function newClient(user: string, url: string = world.url): Client {
  return keep(createClient({ url, apiKey: world.publishableKey, userToken: userToken(user) }));
}

/** Quick on a quick machine, and patient while a server starts on a slow one. */
export const OPTIONS: ConnectionOptions = { reconnectDelay: 20, maxReconnectAttempts: 100 };

/** A connected client; `more.options` change some of its own. */
export async function connected(
  user: string,
  more: ConnectOptions = {},
  url: string = world.url,
): Promise<Client> {
  const client = newClient(user, url);
  const options = { ...OPTIONS, ...more.options };
  await client.realtime.connect({ token: userToken(user), ...more, options });
  return client;
}

/** A wire to the server, closed after the test. */
export async function newWire(): Promise<Wire> {
  const wire = await wireTo(world.url);
  wires.push(wire);
  return wire;
}

/** A connected client, and the wire it is connected by. */
export async function wired(
  user: string,
  more: ConnectOptions = {},
): Promise<{ client: Client; wire: Wire }> {
  const wire = await newWire();
  return { client: await connected(user, more, wire.url), wire };
}

/** Kill, stop or start the server. */
export async function control(action: 'kill' | 'stop' | 'start'): Promise<void> {
  const answer = await fetch(`${world.controls}/${action}`, { method: 'POST' });
  if (!answer.ok) throw new Error(`${action}: ${await answer.text()}`);
}

/** Keys of an app whose plan has no limits. */
export async function unlimitedApp(): Promise<{ publishable_key: string; secret_key: string }> {
  const answer = await fetch(`${world.controls}/app`, { method: 'POST' });
  return (await answer.json()) as { publishable_key: string; secret_key: string };
}

/** Anything with typed events; which ones it has, a test knows. */
// biome-ignore lint/suspicious/noExplicitAny: overloads of different emitters have no common type
type Source = { on: (event: any, listener: any) => () => void };

/** Everything a source tells under some names, in order: `[name, first argument]`. */
export function record(source: Source, ...events: string[]): [string, unknown][] {
  const told: [string, unknown][] = [];
  for (const event of events) source.on(event, (...args: unknown[]) => told.push([event, args[0]]));
  return told;
}

/** The next time something is told: its first argument. */
export function next<T = unknown>(
  source: Source,
  event: string,
  where: (told: T) => boolean = () => true,
): Promise<T> {
  return new Promise((resolve) => {
    const stop = source.on(event, (told: T) => {
      if (!where(told)) return;
      stop();
      resolve(told);
    });
  });
}
