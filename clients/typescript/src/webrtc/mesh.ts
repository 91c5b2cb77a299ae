import type { LocalMedia } from './localmedia.ts';
import { Peer } from './peer.ts';
import type { Participant, ServerSignal, Signal, Transport, TransportOwner } from './types.ts';

/** A connection to each of the others. The newcomer calls those who are there; they answer. */
export class Mesh implements Transport {
  readonly #selfId: string;
  readonly #iceServers: RTCIceServer[];
  readonly #media: LocalMedia;
  readonly #owner: TransportOwner;
  readonly #peers = new Map<string, Peer>();

  constructor(selfId: string, iceServers: RTCIceServer[], media: LocalMedia, owner: TransportOwner) {
    this.#selfId = selfId;
    this.#iceServers = iceServers;
    this.#media = media;
    this.#owner = owner;
  }

  start(others: Participant[]): void {
    for (const { id } of others) this.#peer(id).call();
  }

  /** Its call got lost. When it calls again at the same time, the offers cross, which is provided for. */
  missed({ id }: Participant): void {
    this.#peer(id).call();
  }

  left(id: string): void {
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
  }

  signal(from: string, signal: Signal | ServerSignal): void {
    if (!('pc' in signal)) this.#peer(from).signal(signal);
  }

  update(): void {
    for (const peer of this.#peers.values()) peer.update();
  }

  returned(): void {
    for (const peer of this.#peers.values()) peer.retry();
  }

  stats(id: string): Promise<RTCStatsReport> | undefined {
    return this.#peers.get(id)?.stats();
  }

  close(): void {
    for (const id of [...this.#peers.keys()]) this.left(id);
  }

  #peer(id: string): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const isPolite = this.#selfId > id;
    const peer = new Peer(this.#iceServers, isPolite, this.#media, {
      send: (signal) => this.#owner.send(id, signal),
      stream: (stream, isScreen) => this.#owner.stream(id, stream, isScreen),
      failed: (error) => this.#owner.failed(error),
    });
    this.#peers.set(id, peer);
    return peer;
  }
}
