import { asError } from '../errors.ts';
import type { LocalMedia } from './localmedia.ts';
import type { Signal } from './types.ts';

/** What a peer tells its room. */
export interface PeerOwner {
  send(signal: Signal): void;
  /** Media of the other side. The first audio and the first video section are microphone and camera. */
  stream(stream: MediaStream, isScreen: boolean): void;
  failed(error: Error): void;
}

/**
 * The connection to one other party: the "perfect negotiation" of the WebRTC specification (section 10.7).
 *
 * The side that calls makes the first offer, with a section for audio and one for video whether it sends any or not;
 * the other side answers in these sections. Either may offer again later; when offers cross, the impolite side's holds.
 */
export class Peer {
  #connection: RTCPeerConnection;
  readonly #iceServers: RTCIceServer[];
  readonly #isPolite: boolean;
  readonly #media: LocalMedia;
  readonly #owner: PeerOwner;
  #screen: RTCRtpTransceiver[] = [];
  #isOffering = false;
  #ignoresOffer = false;
  #isReady = false; // our tracks are in
  #isAgreed = false; // an offer has been answered
  #isClosed = false;
  #work: Promise<void> = Promise.resolve();

  constructor(iceServers: RTCIceServer[], isPolite: boolean, media: LocalMedia, owner: PeerOwner) {
    this.#isPolite = isPolite;
    this.#media = media;
    this.#owner = owner;
    this.#iceServers = iceServers;
    this.#connection = this.#open();
  }

  /** `connected` when media can flow. */
  get state(): RTCPeerConnectionState {
    return this.#connection.connectionState;
  }

  /** The browser's statistics. */
  stats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  /** Make the first offer. */
  call(): void {
    for (const kind of ['audio', 'video'] as const) {
      const track = this.#media.track(kind);
      if (track === undefined) this.#connection.addTransceiver(kind, { direction: 'recvonly' });
      else this.#connection.addTransceiver(track, { direction: 'sendrecv', streams: [this.#media.stream] });
    }
    this.#addScreen();
    this.#isReady = true;
  }

  /** Take what the other side says, in the order in which it was said. */
  signal(signal: Signal): void {
    this.#queue(() =>
      signal.kind === 'candidate' ? this.#candidate(signal.candidate) : this.#description(signal),
    );
  }

  /** Send what the local media are now. */
  update(): void {
    if (!this.#isReady) return;
    for (const kind of ['audio', 'video'] as const) this.#fill(kind);
    if (this.#media.screen !== undefined && this.#screen.length === 0) this.#addScreen();
    if (this.#media.screen === undefined) for (const shared of this.#screen.splice(0)) shared.stop();
  }

  /** Signals may have been lost: say again what has not been answered, and try other ways through the network. */
  retry(): void {
    if (this.#connection.signalingState === 'have-local-offer') this.#sendDescription();
    else if (this.#isReady && this.state !== 'connected') this.#connection.restartIce();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  #open(): RTCPeerConnection {
    const connection = new RTCPeerConnection({ iceServers: this.#iceServers });
    connection.onnegotiationneeded = () => this.#queue(() => this.#offer());
    connection.onicecandidate = ({ candidate }) =>
      this.#owner.send({ kind: 'candidate', candidate: candidate?.toJSON() ?? null });
    connection.oniceconnectionstatechange = () => {
      if (connection.iceConnectionState === 'failed') connection.restartIce();
    };
    connection.ontrack = ({ transceiver, streams }) => {
      const { track } = transceiver.receiver;
      this.#owner.stream(streams[0] ?? new MediaStream([track]), !this.#main(track.kind, transceiver));
    };
    return connection;
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#isClosed ? undefined : work()))
      .catch((error: unknown) => {
        if (!this.#isClosed) this.#owner.failed(asError(error));
      });
  }

  async #offer(): Promise<void> {
    if (this.#connection.signalingState !== 'stable') return; // asked for again when it is
    this.#isOffering = true;
    try {
      await this.#connection.setLocalDescription();
    } finally {
      this.#isOffering = false;
    }
    this.#sendDescription();
  }

  async #description({ kind, sdp }: { kind: 'offer' | 'answer'; sdp: string }): Promise<void> {
    const collides = kind === 'offer' && (this.#isOffering || this.#connection.signalingState !== 'stable');
    this.#ignoresOffer = !this.#isPolite && collides;
    if (this.#ignoresOffer) {
      // If ours got lost in an interruption, the other side waits for it.
      if (this.#connection.signalingState === 'have-local-offer') this.#sendDescription();
      return;
    }
    if (kind === 'answer' && this.#connection.signalingState !== 'have-local-offer') return; // the second one
    if (collides && !this.#isAgreed) this.#startOver();
    await this.#connection.setRemoteDescription({ type: kind, sdp });
    this.#isAgreed = true;
    if (kind === 'answer') return;
    if (!this.#isReady) {
      for (const each of ['audio', 'video'] as const) this.#fill(each);
    }
    await this.#connection.setLocalDescription();
    this.#sendDescription();
    if (!this.#isReady) {
      this.#isReady = true;
      this.#addScreen(); // asks for an offer of our own
    }
  }

  /** Both have called: answer. A rollback would leave our sections behind theirs, where nobody expects them. */
  #startOver(): void {
    this.#connection.close();
    this.#connection = this.#open();
    this.#screen = [];
    this.#isReady = false;
  }

  async #candidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    try {
      await this.#connection.addIceCandidate(candidate ?? undefined);
    } catch (error) {
      if (!this.#ignoresOffer) throw error; // it belonged to the offer that was ignored
    }
  }

  #sendDescription(): void {
    const description = this.#connection.localDescription;
    if (description === null) return;
    this.#owner.send({ kind: description.type as 'offer' | 'answer', sdp: description.sdp });
  }

  /** Put our microphone or camera into its section. */
  #fill(kind: 'audio' | 'video'): void {
    const track = this.#media.track(kind);
    const section = this.#connection.getTransceivers().find((one) => this.#main(kind, one));
    if (track === undefined || section?.sender.track === track) return;
    if (section === undefined) {
      this.#connection.addTrack(track, this.#media.stream);
      return;
    }
    section.direction = 'sendrecv';
    section.sender.setStreams(this.#media.stream);
    this.#queue(() => section.sender.replaceTrack(track));
  }

  #addScreen(): void {
    const screen = this.#media.screen;
    for (const track of screen?.getTracks() ?? []) {
      const init: RTCRtpTransceiverInit = {
        direction: 'sendonly',
        streams: screen === undefined ? [] : [screen],
      };
      this.#screen.push(this.#connection.addTransceiver(track, init));
    }
  }

  /** Whether a section is the first of its kind. */
  #main(kind: string, section: RTCRtpTransceiver): boolean {
    return this.#connection.getTransceivers().find((one) => one.receiver.track.kind === kind) === section;
  }
}
