import type { RealtimeRest } from '../rest/realtime.ts';
import type { Authorizer } from './authorizer.ts';
import type { Connection } from './connection.ts';

/** What the parts of a channel need of the client. */
export interface Wiring {
  readonly connection: Connection;
  readonly rest: RealtimeRest;
  /** Undefined when no `authEndpoint` is set. */
  authorizer: Authorizer | undefined;
}
