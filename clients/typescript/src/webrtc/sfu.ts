import { Leg } from './leg.ts';
import type { LocalMedia } from './localmedia.ts';
import type { Carried, Participant, ServerSignal, Signal, Transport, TransportOwner } from './types.ts';

type Medium = Carried['medium'];

/** Sections without a stream that are kept for the next ones; more are given back. */
const SPARE_SECTIONS = 8;

/** One connection to the server for what this client sends, and one for what the others send. */
export class Sfu implements Transport {
  readonly #media: LocalMedia;
  readonly #owner: TransportOwner;
  readonly #send: Leg;
  readonly #receive: Leg;
  #sent = new Map<Medium, RTCRtpTransceiver>();
  #isOutdated = false; // what is sent has changed since the last offer
  #carried: Record<string, Carried> = {};
  readonly #streams = new Map<string, MediaStream>();

  constructor(serverId: string, iceServers: RTCIceServer[], media: LocalMedia, owner: TransportOwner) {
    this.#media = media;
    this.#owner = owner;
    this.#send = new Leg('send', serverId, iceServers, owner);
    this.#receive = new Leg('receive', serverId, iceServers, owner);
  }

  start(_others: Participant[]): void {
    this.update();
    this.#beginReceiving();
  }

  missed(_participant: Participant): void {
    this.#show(); // its streams may have been announced before itself
  }

  left(id: string): void {
    for (const key of [...this.#streams.keys()]) if (key.startsWith(`${id}/`)) this.#streams.delete(key);
  }

  signal(_from: string, signal: Signal | ServerSignal): void {
    if (!('pc' in signal)) return;
    const leg = signal.pc === 'send' ? this.#send : this.#receive;
    if (leg.is(signal.connection)) leg.queue(() => this.#heard(leg, signal));
  }

  update(): void {
    this.#send.queue(() => this.#publish());
  }

  returned(): void {
    for (const leg of [this.#send, this.#receive]) {
      leg.queue(async () => {
        if (leg.connection.signalingState !== 'have-local-offer') return;
        await leg.tell(leg === this.#send ? { tracks: this.#tracks() } : {});
      });
    }
  }

  stats(_id: string): Promise<RTCStatsReport> {
    return this.#receive.connection.getStats();
  }

  close(): void {
    this.#send.close();
    this.#receive.close();
  }

  async #heard(leg: Leg, { kind, sdp, streams }: ServerSignal): Promise<void> {
    const { connection } = leg;
    if (kind === 'reset') {
      leg.renew();
      if (leg === this.#send) {
        this.#sent = new Map();
        await this.#publish();
      } else this.#beginReceiving();
      return;
    }
    if (kind === 'answer' && connection.signalingState !== 'have-local-offer') return;
    if (kind !== 'streams' && sdp !== undefined) await connection.setRemoteDescription({ type: kind, sdp });
    if (kind === 'offer') {
      await connection.setLocalDescription();
      await leg.tell();
    }
    if (streams !== undefined) {
      this.#carried = streams;
      this.#show();
      await this.#tidy();
    }
    if (leg === this.#send && this.#isOutdated) await this.#publish();
  }

  // --- sending --------------------------------------------------------------------------------

  /** Offer what is sent now. */
  async #publish(): Promise<void> {
    const { connection } = this.#send;
    this.#isOutdated = connection.signalingState !== 'stable'; // then after the answer
    if (this.#isOutdated) return;
    let changed = false;
    for (const [medium, track] of this.#wanted()) {
      const section = this.#sent.get(medium);
      if (section === undefined && track !== undefined) {
        this.#sent.set(medium, connection.addTransceiver(track, { direction: 'sendonly' }));
        changed = true;
      } else if (section !== undefined && section.sender.track !== (track ?? null)) {
        await section.sender.replaceTrack(track ?? null);
        section.direction = track === undefined ? 'inactive' : 'sendonly';
        changed = true;
      }
    }
    if (!changed) return;
    await connection.setLocalDescription();
    await this.#send.tell({ tracks: this.#tracks() });
  }

  #wanted(): [Medium, MediaStreamTrack | undefined][] {
    const { screen } = this.#media;
    return [
      ['audio', this.#media.track('audio')],
      ['video', this.#media.track('video')],
      ['screen', screen?.getVideoTracks()[0]],
      ['screen_audio', screen?.getAudioTracks()[0]],
    ];
  }

  /** What each section carries, by mid. */
  #tracks(): Record<string, Medium> {
    const sending = [...this.#sent].filter(([, { direction }]) => direction === 'sendonly');
    return Object.fromEntries(sending.map(([medium, { mid }]) => [mid ?? '', medium]));
  }

  // --- receiving ------------------------------------------------------------------------------

  #beginReceiving(): void {
    this.#receive.queue(async () => {
      for (const kind of ['audio', 'video']) {
        this.#receive.connection.addTransceiver(kind, { direction: 'recvonly' });
      }
      await this.#receive.connection.setLocalDescription();
      await this.#receive.tell();
    });
  }

  /** Put what comes into a stream per participant, or two with the screen. */
  #show(): void {
    const now = new Map<string, MediaStreamTrack[]>();
    for (const { mid, receiver } of this.#receive.connection.getTransceivers()) {
      const carried = mid === null ? undefined : this.#carried[mid];
      if (carried === undefined) continue;
      const key = `${carried.participant_id}/${carried.medium.startsWith('screen') ? 'screen' : 'camera'}`;
      now.set(key, [...(now.get(key) ?? []), receiver.track]);
    }
    for (const key of new Set([...now.keys(), ...this.#streams.keys()])) {
      const tracks = now.get(key) ?? [];
      const stream = this.#streams.get(key) ?? new MediaStream();
      for (const track of stream.getTracks()) if (!tracks.includes(track)) stream.removeTrack(track);
      for (const track of tracks) stream.addTrack(track);
      if (tracks.length > 0) this.#streams.set(key, stream);
      else this.#streams.delete(key);
      const [id = '', which] = key.split('/');
      this.#owner.stream(id, tracks.length > 0 ? stream : undefined, which === 'screen');
    }
  }

  /** Give sections back whose streams have ended. */
  async #tidy(): Promise<void> {
    const { connection } = this.#receive;
    if (connection.signalingState !== 'stable') return;
    const [, , ...sections] = connection.getTransceivers();
    const spare = sections.filter(
      ({ mid, direction }) => mid !== null && !this.#carried[mid] && direction !== 'stopped',
    );
    if (spare.length <= SPARE_SECTIONS) return;
    for (const section of spare) section.stop();
    await connection.setLocalDescription();
    await this.#receive.tell();
  }
}
