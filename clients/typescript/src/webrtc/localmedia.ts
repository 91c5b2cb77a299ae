import type { JoinOptions, MediaKind } from './types.ts';

/** The browser's devices; rejects as the browser does where it hides them. */
function devices(): MediaDevices {
  if (navigator.mediaDevices !== undefined) return navigator.mediaDevices;
  const why = 'Browsers give microphone, camera and screen to pages of https:// and of localhost only.';
  throw new DOMException(why, 'NotSupportedError');
}

/** This client's microphone, camera and screen. */
export class LocalMedia {
  /** Microphone and camera. */
  readonly stream: MediaStream = new MediaStream();
  /** The screen, while it is being shared. */
  screen: MediaStream | undefined;
  readonly #wanted: { audio: boolean | MediaTrackConstraints; video: boolean | MediaTrackConstraints };

  constructor({ audio = true, video = true }: Pick<JoinOptions, 'audio' | 'video'>) {
    this.#wanted = { audio, video };
  }

  /** Open what is wanted from the start; rejects with the browser's own error when the user or system refuses. */
  async open(): Promise<void> {
    const { audio, video } = this.#wanted;
    if (!audio && !video) return;
    const opened = await devices().getUserMedia({ audio, video });
    for (const track of opened.getTracks()) this.stream.addTrack(track);
  }

  /** The microphone's or camera's track; undefined when it has not been opened. */
  track(kind: 'audio' | 'video'): MediaStreamTrack | undefined {
    return this.stream.getTracks().find((track) => track.kind === kind);
  }

  /** Whether something is being sent. */
  isOn(kind: MediaKind): boolean {
    if (kind === 'screen') return this.screen !== undefined;
    return this.track(kind)?.enabled === true;
  }

  /** Switch on or off, opening the device if need be; gives the track when it is new. */
  async set(kind: 'audio' | 'video', isOn: boolean): Promise<MediaStreamTrack | undefined> {
    const known = this.track(kind);
    if (known !== undefined) {
      known.enabled = isOn;
      return undefined;
    }
    if (!isOn) return undefined;
    const wanted = this.#wanted[kind] || true;
    const opened = await devices().getUserMedia({ [kind]: wanted });
    const track = opened.getTracks()[0];
    if (track !== undefined) this.stream.addTrack(track);
    return track;
  }

  /** Ask the user for a screen. */
  async openScreen(): Promise<MediaStream> {
    this.screen = await devices().getDisplayMedia({ video: true, audio: true });
    return this.screen;
  }

  /** Stop sharing the screen. */
  closeScreen(): void {
    for (const track of this.screen?.getTracks() ?? []) track.stop();
    this.screen = undefined;
  }

  /** Let go of every device. */
  close(): void {
    this.closeScreen();
    for (const track of this.stream.getTracks()) track.stop();
  }
}
