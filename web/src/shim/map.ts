/** Where the SDK's host names lead when one origin serves everything. */

export interface Target {
  /** `baseURI` as given to the SDK: host, port included. */
  base: string;
  /** Origin that serves Parley, for example `http://localhost:8080`. */
  origin: string;
}

/** Path under the origin for each `<prefix>.<base>` the SDK builds. */
const PATHS: Record<string, string> = {
  api: '',
  'socket-edge': '',
  'api-silos': '/telemetry/api-silos',
  location: '/telemetry/location',
  'location-legacy': '/telemetry/location-legacy',
  'da-collector': '/telemetry/da-collector',
};

/**
 * Translate one address, or return it unchanged when it is none of the SDK's.
 *
 * `https://api.<base>/v2/x` becomes `<origin>/v2/x`, `wss://socket-edge.<base>/ws` becomes `ws(s)://<host>/ws`,
 * the telemetry hosts become folders under `/telemetry`.
 */
export function mapUrl(address: string, target: Target): string {
  const found = /^(https|wss):\/\/([a-z-]+)\.([^/?#]+)(.*)$/i.exec(address);
  if (!found) return address;
  const [, scheme, prefix, host, rest] = found as unknown as [string, string, string, string, string];
  const path = PATHS[prefix.toLowerCase()];
  if (path === undefined || host.toLowerCase() !== target.base.toLowerCase()) return address;
  const origin = scheme.toLowerCase() === 'wss' ? target.origin.replace(/^http/, 'ws') : target.origin;
  return `${origin}${path}${rest}`;
}
