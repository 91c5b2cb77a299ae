/** Our own versions of the files the UI kit would fetch from its vendor: sounds and the emoji list. */
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

const RATE_HZ = 24_000;

interface Note {
  /** Start within the sound, seconds. */
  at: number;
  hertz: number;
  /** Time until the note has faded out, seconds. */
  length: number;
}

const SOUNDS: Record<string, Note[]> = {
  join: [
    { at: 0, hertz: 587.33, length: 0.35 },
    { at: 0.11, hertz: 880, length: 0.5 },
  ],
  message: [
    { at: 0, hertz: 1046.5, length: 0.16 },
    { at: 0.07, hertz: 1318.51, length: 0.28 },
  ],
  'speaker-test': [523.25, 659.25, 783.99, 1046.5, 783.99, 659.25, 523.25].map((hertz, index) => ({
    at: index * 0.28,
    hertz,
    length: 0.7,
  })),
};

/** Mix notes (two partials, exponential decay) into a mono 16-bit WAV file. */
function wav(notes: Note[]): Uint8Array {
  const seconds = Math.max(...notes.map((note) => note.at + note.length));
  const mix = new Float64Array(Math.ceil(seconds * RATE_HZ));
  for (const { at, hertz, length } of notes) {
    const first = Math.round(at * RATE_HZ);
    const count = Math.round(length * RATE_HZ);
    for (let i = 0; i < count && first + i < mix.length; i++) {
      const t = i / RATE_HZ;
      const attack = Math.min(1, t / 0.006); // a click otherwise
      const decay = Math.exp((-5 * t) / length) * (1 - i / count);
      const tone = Math.sin(2 * Math.PI * hertz * t) + 0.25 * Math.sin(4 * Math.PI * hertz * t);
      mix[first + i] = (mix[first + i] ?? 0) + tone * attack * decay;
    }
  }
  const peak = mix.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-9);
  const file = Buffer.alloc(44 + mix.length * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + mix.length * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // mono
  file.writeUInt32LE(RATE_HZ, 24);
  file.writeUInt32LE(RATE_HZ * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(mix.length * 2, 40);
  mix.forEach((sample, i) => file.writeInt16LE(Math.round((sample / peak) * 0.7 * 32767), 44 + i * 2));
  return file;
}

/**
 * The emoji list in the kit's format: `emojis` by index, and `search`, one string of `words:index` entries
 * separated by commas, which the kit scans with a regular expression.
 */
function emojiList(): string {
  const library = createRequire(import.meta.url)('emojilib') as Record<string, string[]>;
  const emojis: string[] = [];
  const entries: string[] = [];
  for (const [emoji, words] of Object.entries(library)) {
    const text = words.map((word) => word.replaceAll('_', ' ').replace(/[,:]/g, '')).join(' ');
    entries.push(`${text}:${emojis.length}`);
    emojis.push(emoji);
  }
  return JSON.stringify({ search: entries.join(','), emojis });
}

/** Emits `/meet/kit/*.wav` and `/meet/kit/emoji.json`. */
export function kitAssets(): Plugin {
  return {
    name: 'parley-kit-assets',
    apply: 'build',
    generateBundle() {
      for (const [name, notes] of Object.entries(SOUNDS)) {
        this.emitFile({ type: 'asset', fileName: `meet/kit/${name}.wav`, source: wav(notes) });
      }
      this.emitFile({ type: 'asset', fileName: 'meet/kit/emoji.json', source: emojiList() });
    },
  };
}
