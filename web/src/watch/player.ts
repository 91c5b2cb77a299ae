/** Plays HLS as close to the present as segments allow. */
import Hls from 'hls.js/light';

/** Segments to stay behind; more is safer, less is nearer. */
const BEHIND = 2;

export class Player {
  #hls: Hls | undefined;

  /** `over` is called once after each `start`, when nothing more comes. */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly over: () => void,
  ) {
    video.addEventListener('ended', () => this.stop());
    video.addEventListener('error', () => this.stop());
  }

  get isOn(): boolean {
    return this.#hls !== undefined || this.video.hasAttribute('src');
  }

  start(url: string): void {
    if (!Hls.isSupported()) {
      this.video.src = url; // Safari on phones plays it by itself
      void this.play();
      return;
    }
    const hls = (this.#hls = new Hls({ liveSyncDurationCount: BEHIND, liveMaxLatencyDurationCount: BEHIND + 4, maxLiveSyncPlaybackRate: 1.1 }));
    hls.on(Hls.Events.ERROR, (_, error) => error.fatal && hls === this.#hls && this.stop());
    hls.on(Hls.Events.MANIFEST_PARSED, () => void this.play());
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  /** Browsers start pictures with sound only after a click; without sound nearly all of them do. */
  async play(): Promise<void> {
    try {
      await this.video.play();
    } catch {
      this.video.muted = true;
      await this.video.play().catch(() => undefined); // then there is a button
    }
  }

  /** Show no more of it, and say so. */
  stop(): void {
    if (!this.isOn) return;
    this.#hls?.destroy();
    this.#hls = undefined;
    this.video.removeAttribute('src');
    this.over();
  }
}
