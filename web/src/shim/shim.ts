/**
 * Lets the RealtimeKit web SDK work against one origin, over plain http as well.
 *
 * The SDK talks to `https://api.<baseURI>` and `wss://socket-edge.<baseURI>/ws`. Load this file before the SDK,
 *
 *     <script src="http://localhost:8080/meet/shim.js"></script>
 *
 * and pass `baseURI: "localhost:8080"` (the host this file came from): no host names, no certificate needed.
 * `data-base="…"` on the script element overrides the expected `baseURI`. Other requests are left alone.
 */
import { mapUrl, type Target } from './map';

const script = document.currentScript as HTMLScriptElement | null;
const source = new URL(script?.src || location.href);
const target: Target = { base: script?.dataset['base'] ?? source.host, origin: source.origin };
const map = (url: string | URL): string => mapUrl(String(url), target);

/** The same request to another address. Its body is read first: a streamed one would need HTTP/2. */
async function redirected(address: string, request: Request): Promise<Request> {
  const { method, headers, credentials, cache, keepalive, referrerPolicy, signal } = request;
  const body = method === 'GET' || method === 'HEAD' ? null : await request.arrayBuffer();
  return new Request(address, { method, headers, credentials, cache, keepalive, referrerPolicy, signal, body });
}

const fetchBefore = window.fetch;
window.fetch = async (input, init) => {
  if (!(input instanceof Request)) return fetchBefore(map(input), init);
  const address = map(input.url);
  return fetchBefore(address === input.url ? input : await redirected(address, input), init);
};

const openBefore = XMLHttpRequest.prototype.open as (this: XMLHttpRequest, ...rest: unknown[]) => void;
XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, method: string, url: string | URL, ...rest: unknown[]) {
  openBefore.call(this, method, map(url), ...rest);
};

const beaconBefore = navigator.sendBeacon.bind(navigator);
navigator.sendBeacon = (url, data) => beaconBefore(map(url), data);

window.WebSocket = new Proxy(window.WebSocket, {
  construct: (constructor, [url, ...rest]: [string | URL, string?]) => new constructor(map(url), ...rest),
});
